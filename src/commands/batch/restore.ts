import { Args, Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { changeFlags, dryRunFlag } from '../../cli/flags.js';
import { erasedStayAway } from '../../cli/gdpr-guards.js';
import {
  parseTime,
  type RestoreResult,
  restorePlanText,
  restoreText,
} from '../../cli/restore-text.js';
import type { Terminal } from '../../cli/terminal.js';
import { layers } from '../../lake/lake.js';
import { ExitCode } from '../../system/errors.js';

export default class BatchRestore extends ReviewopsCommand<RestoreResult> {
  static override summary = 'Bring back deleted or overwritten layers of a batch.';
  static override description =
    'From the old versions that a lake on S3 keeps: for each layer the newest publication all of whose files are still there, or that of --at. Files of the publication it replaces go; their versions stay. A publication that holds somebody who was erased is refused. Then the batch is verified. Shows the plan and asks; off a terminal it needs --yes. Exit status 1 when a layer is lost or the batch is not whole afterwards.';
  static override examples = [
    '<%= config.bin %> batch restore 20260131_235959 --dry-run',
    '<%= config.bin %> batch restore 20260131_235959 --layer gold --at 2026-02-01T12:00:00Z --yes',
  ];
  static override args = {
    batch: Args.string({ required: true, description: 'Batch id.' }),
  };
  static override flags = {
    layer: Flags.option({
      options: layers,
      multiple: true,
      description: 'Only this layer; may be given several times.',
    })(),
    at: Flags.string({
      helpValue: 'TIME',
      description: 'The publication of this time (ISO 8601), even when the present one is whole.',
    }),
    ...dryRunFlag,
    ...changeFlags,
  };

  override async execute(context: CommandContext): Promise<RestoreResult> {
    const { args, flags } = this.input(BatchRestore);
    const { objectsToRestore, planRestore, restoreBatch } = await import('../../lake/restore.js');
    const lake = await context.lake();
    const request = {
      batchId: args.batch,
      layers: flags.layer ?? layers,
      at: flags.at === undefined ? undefined : parseTime(flags.at),
    };
    const plan = await planRestore(lake, request);
    const count = objectsToRestore(plan);
    if (flags['dry-run']) return { ...plan, restored: 0, state: null, findings: [] };
    if (count > 0) {
      const gone = plan.layers.reduce((sum, { superseded }) => sum + superseded.length, 0);
      const replaced = gone === 0 ? '' : `, and ${gone} of the publication they replace removed`;
      const what = `${count} objects of batch ${args.batch} will be brought back${replaced}.`;
      context.report({ type: 'notice', message: restorePlanText(plan, context.terminal) });
      await context.confirmChange(what, { yes: flags.yes });
      await restoreBatch(lake, request, plan, context.job, await erasedStayAway(context));
    }
    const { verifyBatch } = await import('../../lake/verify.js');
    const scratch = await context.scratch();
    const { state, findings } = await verifyBatch(lake, args.batch, { ...context.job, scratch });
    return { ...plan, restored: count, state, findings };
  }

  protected override exitCode({ layers: plans, findings }: RestoreResult): ExitCode {
    const lost = plans.some(({ state }) => state === 'lost');
    return lost || findings.length > 0 ? ExitCode.failed : ExitCode.done;
  }

  override render(result: RestoreResult, terminal: Terminal): string {
    return restoreText(result, terminal);
  }
}
