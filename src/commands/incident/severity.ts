import { Args, Flags } from '@oclif/core';
import type { CommandContext } from '../../cli/context.js';
import {
  actOn,
  IncidentsCommand,
  type IncidentsResult,
  idArg,
} from '../../cli/incident-command.js';

export default class IncidentSeverity extends IncidentsCommand {
  static override summary = 'Change the level of an incident.';
  static override description =
    'Raising it never moves a deadline away; lowering it keeps pauses and what was missed.';
  static override examples = [
    '<%= config.bin %> incident severity 12 P1 --reason "All products are affected"',
  ];
  static override args = {
    ...idArg,
    severity: Args.string({ required: true, description: 'The new level.' }),
  };
  static override flags = {
    reason: Flags.string({ required: true, helpValue: 'TEXT', description: 'Why.' }),
  };

  override async execute(context: CommandContext): Promise<IncidentsResult> {
    const { args, flags } = this.input(IncidentSeverity);
    const { parseSeverity } = await import('../../incidents/severity.js');
    const { names } = (await context.config()).incidents;
    const severity = parseSeverity(args.severity, names);
    return actOn(context, args.id, { type: 'severity', severity, reason: flags.reason });
  }
}
