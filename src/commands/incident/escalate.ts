import { Args, Flags } from '@oclif/core';
import type { CommandContext } from '../../cli/context.js';
import { IncidentsCommand } from '../../cli/incident-command.js';
import type { EscalateResult } from '../../cli/incident-escalate.js';
import type { Terminal } from '../../cli/terminal.js';
import { invalid } from '../../system/errors.js';

export default class IncidentEscalate extends IncidentsCommand<EscalateResult> {
  static override summary = 'Call the next of the chain: of one incident, or wherever it is due.';
  static override description =
    `With --due, for cron, every few minutes: calls the next of the chain where nobody acknowledged in
time, the time to escalate has come, or the time to resolve is over; sends the status messages of
P1 incidents; sends what waits in the outbox; takes over what happened in the trackers. What was
done is not done again, and a run that was missed is made good once.`;
  static override examples = [
    '<%= config.bin %> incident escalate 12',
    '*/5 * * * * <%= config.bin %> incident escalate --due --no-input --quiet',
  ];
  static override args = { id: Args.string({ description: 'Number of the incident.' }) };
  static override flags = {
    due: Flags.boolean({ description: 'All incidents for which something is due.' }),
  };

  override async execute(context: CommandContext): Promise<EscalateResult> {
    const { args, flags } = this.input(IncidentEscalate);
    if ((args.id === undefined) === !flags.due) {
      throw invalid('USAGE_ERROR', 'Name one incident, or say --due.', {
        hint: '`reviewops incident list` shows the numbers.',
      });
    }
    const { escalateAll, escalateOne } = await import('../../cli/incident-escalate.js');
    return args.id === undefined ? escalateAll(context) : escalateOne(context, args.id);
  }

  override render(result: EscalateResult, terminal: Terminal): string {
    const { calls, statuses, messages } = result;
    const line = `${calls} called, ${statuses} status messages; ${messages.sent} sent, ${messages.failed + messages.stuck} not.`;
    return result.incidents.length === 0 ? line : `${super.render(result, terminal)}\n\n${line}`;
  }
}
