import { Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { renderTable } from '../../cli/table.js';
import type { Terminal } from '../../cli/terminal.js';
import type { OutboxRow } from '../../incidents/outbox-list.js';
import { ExitCode } from '../../system/errors.js';

interface OutboxResult {
  messages: OutboxRow[];
}

export default class IncidentOutbox extends ReviewopsCommand<OutboxResult> {
  static override summary = 'Show the messages that have not been sent, and why.';
  static override description =
    'Status 1 when one of them is stuck: it is not tried by itself any more.';
  static override examples = ['<%= config.bin %> incident outbox --retry'];
  static override flags = {
    retry: Flags.boolean({ description: 'Try all of them again now.' }),
    limit: Flags.integer({ min: 1, max: 10_000, default: 100, description: 'At most so many.' }),
  };

  override async execute(context: CommandContext): Promise<OutboxResult> {
    const { flags } = this.input(IncidentOutbox);
    const [{ retryUnsent, unsentMessages }, { withIncidents, outletsOf }, { sendDue }] =
      await Promise.all([
        import('../../incidents/outbox-list.js'),
        import('../../cli/incidents.js'),
        import('../../incidents/delivery.js'),
      ]);
    return withIncidents(context, async (store) => {
      if (flags.retry) {
        await retryUnsent(store);
        await sendDue(store, await outletsOf(context), { signal: context.signal });
      }
      return { messages: await unsentMessages(store, flags.limit) };
    });
  }

  override render({ messages }: OutboxResult, terminal: Terminal): string {
    if (messages.length === 0) return 'Everything was sent.';
    return renderTable(
      [
        { name: 'message', align: 'right' },
        { name: 'incident', align: 'right' },
        { name: 'channel' },
        { name: 'kind' },
        { name: 'state' },
        { name: 'attempts', align: 'right' },
        { name: 'next' },
        { name: 'last error', maxWidth: 60 },
      ],
      messages.map((one) => [
        String(one.messageId),
        String(one.incidentId),
        one.channel,
        one.kind,
        one.state,
        String(one.attempts),
        one.nextAttemptAt?.slice(0, 16).replace('T', ' ') ?? '–',
        one.lastError ?? '',
      ]),
      terminal,
    );
  }

  protected override exitCode({ messages }: OutboxResult): ExitCode {
    return messages.some(({ state }) => state === 'stuck') ? ExitCode.failed : ExitCode.done;
  }
}
