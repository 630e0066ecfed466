import { Args, Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { destroyFlags } from '../../cli/flags.js';
import { type EraseResult, eraseLines, runErasure } from '../../cli/gdpr-command.js';
import { ExitCode } from '../../system/errors.js';

export default class GdprErase extends ReviewopsCommand<EraseResult> {
  static override summary = 'Erase the person of a request everywhere, verify it, certify it.';
  static override description =
    `Suppresses the person first, deletes the rows in one transaction, rewrites the files of the lake and purges the versions that held the person, reads everything again, and writes a certificate.

Asks for the id of the request and the count of the plan. Off a terminal it needs --confirm with the id (with --due: "people"), or --plan with the hash that \`gdpr plan\` prints. Status 4: something remains, or texts of others name the person; the certificate says where.`;
  static override examples = [
    '<%= config.bin %> gdpr erase DSR-2026-0042 --plan HASH',
    '<%= config.bin %> gdpr erase --due --confirm people',
  ];
  static override args = {
    request: Args.string({ description: 'Id of the request; or take --due.' }),
  };
  static override flags = {
    due: Flags.boolean({
      default: false,
      description: 'All open requests in one pass: each file is rewritten once.',
    }),
    ...destroyFlags,
  };

  override async execute(context: CommandContext): Promise<EraseResult> {
    const { args, flags } = this.input(GdprErase);
    const input = args.request === undefined ? { due: flags.due } : { requestIds: [args.request] };
    const { confirm, plan, 'dry-run': dryRun } = flags;
    return runErasure(context, input, { dryRun, confirm, plan });
  }

  protected override exitCode({ remaining, forReview, dryRun }: EraseResult): ExitCode {
    const left = remaining.length + forReview.length > 0;
    return left && !dryRun ? ExitCode.partial : ExitCode.done;
  }

  override render(result: EraseResult): string {
    return eraseLines(result).join('\n');
  }
}
