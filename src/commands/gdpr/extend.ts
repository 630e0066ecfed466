import { Args, Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { requestLines, type ShownRequest, shownRequest } from '../../cli/gdpr-request-text.js';
import { thisProcess } from '../../system/owner.js';

export default class GdprExtend extends ReviewopsCommand<ShownRequest> {
  static override summary = 'Extend a deadline by two months, with the reason, within the first.';
  static override examples = [
    '<%= config.bin %> gdpr extend DSR-2026-0042 --reason "backups of three providers"',
  ];
  static override args = {
    request: Args.string({ required: true, description: 'Id of the request.' }),
  };
  static override flags = {
    reason: Flags.string({ required: true, description: 'Why; the person has to be told.' }),
  };

  override async execute(context: CommandContext): Promise<ShownRequest> {
    const { args, flags } = this.input(GdprExtend);
    const [{ extend, updateRequest }, { PrivacyJournal }, { privacy }] = await Promise.all([
      import('../../privacy/requests.js'),
      import('../../privacy/journal.js'),
      context.config(),
    ]);
    const at = context.now().toISOString();
    const said = { at, by: thisProcess().user, reason: flags.reason };
    const record = await updateRequest(await context.lake(), args.request, (present) =>
      extend(present, said, privacy.weekends),
    );
    const journal = new PrivacyJournal(context.home, context.now);
    await journal.append({ type: 'request.extended', requestIds: [args.request] });
    return shownRequest(record, context.now());
  }

  override render(request: ShownRequest): string {
    return requestLines(request).join('\n');
  }
}
