import { Args, Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { requestLines, type ShownRequest, shownRequest } from '../../cli/gdpr-request-text.js';
import { invalid } from '../../system/errors.js';
import { thisProcess } from '../../system/owner.js';

export default class GdprHold extends ReviewopsCommand<ShownRequest> {
  static override summary = 'Put a request under a legal hold, or end the hold.';
  static override description =
    'While it is held, nothing of the person is erased; an erasure that is under way stops at its next file.';
  static override examples = [
    '<%= config.bin %> gdpr hold DSR-2026-0042 --reason "request of the court, case 12"',
    '<%= config.bin %> gdpr hold DSR-2026-0042 --release',
  ];
  static override args = {
    request: Args.string({ required: true, description: 'Id of the request.' }),
  };
  static override flags = {
    reason: Flags.string({ description: 'Why; shown to who tries to erase.' }),
    release: Flags.boolean({ default: false, description: 'End the hold.' }),
  };

  override async execute(context: CommandContext): Promise<ShownRequest> {
    const { args, flags } = this.input(GdprHold);
    const { reason, release } = flags;
    if ((reason === undefined) === !release) {
      throw invalid('USAGE_ERROR', 'Give either --reason or --release.');
    }
    const [{ updateRequest }, { PrivacyJournal }] = await Promise.all([
      import('../../privacy/requests.js'),
      import('../../privacy/journal.js'),
    ]);
    const hold =
      reason === undefined
        ? null
        : { at: context.now().toISOString(), by: thisProcess().user, reason };
    const journal = new PrivacyJournal(context.home, context.now);
    const type = release ? 'hold.released' : 'hold.placed';
    const record = await updateRequest(await context.lake(), args.request, (present) => ({
      ...present,
      hold,
    }));
    await journal.append({ type, requestIds: [args.request] });
    return shownRequest(record, context.now());
  }

  override render(request: ShownRequest): string {
    return requestLines(request).join('\n');
  }
}
