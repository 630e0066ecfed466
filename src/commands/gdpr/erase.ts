import { Args, Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { destroyFlags } from '../../cli/flags.js';
import { type EraseResult, eraseExitCode, eraseLines, runErasure } from '../../cli/gdpr-command.js';
import type { ExitCode } from '../../system/errors.js';

export default class GdprErase extends ReviewopsCommand<EraseResult> {
  static override summary = 'Erase the person of a request everywhere, verify it, certify it.';
  static override description =
    `Suppresses the person first, deletes the rows in one transaction, rewrites the files of the lake and purges the versions that held the person, reads everything again, and writes a certificate.

Asks for the id of the request and the count of the plan. Off a terminal it needs --confirm with the id (of several: "people"), or --plan with the hash that \`gdpr plan\` prints. Status 4: something remains, or texts of others name the person; the certificate says where. Requests that were erased in one pass are erased again together.`;
  static override examples = [
    '<%= config.bin %> gdpr erase DSR-2026-0042 --plan HASH',
    '<%= config.bin %> gdpr erase --due --confirm people',
  ];
  static override strict = false;
  static override args = {
    request: Args.string({ description: 'Ids of requests, for one pass; or take --due.' }),
  };
  static override flags = {
    due: Flags.boolean({
      default: false,
      description: 'All open requests in one pass: each file is rewritten once.',
    }),
    ...destroyFlags,
  };

  override async execute(context: CommandContext): Promise<EraseResult> {
    const { argv, flags } = this.input(GdprErase);
    const input = argv.length === 0 ? { due: flags.due } : { requestIds: argv };
    const { confirm, plan, 'dry-run': dryRun } = flags;
    return runErasure(context, input, { dryRun, confirm, plan });
  }

  protected override exitCode(result: EraseResult): ExitCode {
    return eraseExitCode(result);
  }

  override render(result: EraseResult): string {
    const { argv } = this.input(GdprErase);
    const which = argv.length === 0 ? '--due' : argv.join(' ');
    return eraseLines(result, `gdpr erase ${which}`).join('\n');
  }
}
