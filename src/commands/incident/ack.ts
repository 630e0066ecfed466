import type { CommandContext } from '../../cli/context.js';
import {
  actOn,
  IncidentsCommand,
  type IncidentsResult,
  idArg,
} from '../../cli/incident-command.js';

export default class IncidentAck extends IncidentsCommand {
  static override summary = 'Acknowledge an incident: somebody works on it.';
  static override description =
    'The first answer stops the clock for the response and the calls; it changes nothing once the incident is resolved.';
  static override examples = ['<%= config.bin %> incident ack 12'];
  static override args = idArg;

  override async execute(context: CommandContext): Promise<IncidentsResult> {
    const { args } = this.input(IncidentAck);
    return actOn(context, args.id, { type: 'acknowledge' });
  }
}
