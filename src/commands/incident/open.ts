import { Args, Flags } from '@oclif/core';
import type { CommandContext } from '../../cli/context.js';
import { IncidentsCommand } from '../../cli/incident-command.js';
import type { Opened } from '../../cli/incident-open.js';
import type { Terminal } from '../../cli/terminal.js';

export default class IncidentOpen extends IncidentsCommand<Opened> {
  static override summary = 'Open an incident by hand.';
  static override description =
    'The first of the chain is called at once. With --cause, what is open for the same cause already gets another occurrence instead.';
  static override examples = [
    '<%= config.bin %> incident open "Products show yesterday’s review" --severity P3 --batch-id 20260131_235959',
  ];
  static override args = {
    summary: Args.string({ required: true, description: 'What people see, in one sentence.' }),
  };
  static override flags = {
    severity: Flags.string({
      char: 's',
      required: true,
      helpValue: 'LEVEL',
      description: 'P1 service down, P2 pipeline stopped, P3 degraded quality, P4 small anomaly.',
    }),
    'batch-id': Flags.string({ helpValue: 'ID', description: 'The batch that it is about.' }),
    cause: Flags.string({
      helpValue: 'TEXT',
      description: 'What tells this cause from others; the same one opens no second incident.',
    }),
    service: Flags.option({
      options: ['database', 'etl'] as const,
      description: 'What is not available; counted against its service level.',
    })(),
  };

  override async execute(context: CommandContext): Promise<Opened> {
    const { args, flags } = this.input(IncidentOpen);
    const { openByHand } = await import('../../cli/incident-open.js');
    return openByHand(context, {
      summary: args.summary,
      severity: flags.severity,
      batchId: flags['batch-id'],
      cause: flags.cause,
      service: flags.service,
    });
  }

  override render(result: Opened, terminal: Terminal): string {
    return result.spooled ? '' : super.render(result, terminal);
  }
}
