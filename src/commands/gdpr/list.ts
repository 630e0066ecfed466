import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { type ShownRequest, shownRequest } from '../../cli/gdpr-request-text.js';
import { renderTable } from '../../cli/table.js';
import type { Terminal } from '../../cli/terminal.js';

interface GdprListResult {
  requests: ShownRequest[];
}

export default class GdprList extends ReviewopsCommand<GdprListResult> {
  static override summary = 'List the requests with their deadlines.';
  static override examples = ['<%= config.bin %> gdpr list'];

  override async execute(context: CommandContext): Promise<GdprListResult> {
    const { listRequests } = await import('../../privacy/requests.js');
    const records = await listRequests(await context.lake());
    const requests = records.map((record) => shownRequest(record, context.now()));
    return { requests: requests.sort((a, b) => (a.dueAt < b.dueAt ? -1 : 1)) };
  }

  override render({ requests }: GdprListResult, terminal: Terminal): string {
    if (requests.length === 0) return 'No request is recorded.';
    return renderTable(
      [
        { name: 'request' },
        { name: 'state' },
        { name: 'due' },
        { name: 'days', align: 'right' },
        { name: 'hold' },
      ],
      requests.map(({ requestId, state, dueAt, daysLeft, hold }) => [
        requestId,
        state,
        dueAt.slice(0, 10),
        state === 'open' ? String(Math.floor(daysLeft)) : '',
        hold?.reason ?? '',
      ]),
      terminal,
    );
  }
}
