import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { destroyFlags } from '../../cli/flags.js';
import { type EraseResult, eraseExitCode, eraseLines, runErasure } from '../../cli/gdpr-command.js';
import type { ExitCode } from '../../system/errors.js';

export default class GdprReplay extends ReviewopsCommand<EraseResult> {
  static override summary = 'After a restore: erase again whoever was erased and is back.';
  static override description =
    'A database that was restored to an earlier time holds people who were erased since. The tombstones, which lie in the lake, recognise them; accounts made after an erasure stay. Run it before anybody reads. Status 4: something remains, or texts of others name the person.';
  static override examples = ['<%= config.bin %> gdpr replay --confirm people'];
  static override flags = { ...destroyFlags };

  override async execute(context: CommandContext): Promise<EraseResult> {
    const { flags } = this.input(GdprReplay);
    const { confirm, plan, 'dry-run': dryRun } = flags;
    return runErasure(context, { replay: true }, { dryRun, confirm, plan });
  }

  protected override exitCode(result: EraseResult): ExitCode {
    return eraseExitCode(result);
  }

  override render(result: EraseResult): string {
    if (result.requestIds.length === 0) return 'Nobody who was erased is back.';
    return eraseLines(result, 'gdpr replay').join('\n');
  }
}
