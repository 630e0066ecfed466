import { Flags } from '@oclif/core';
import type { CommandContext } from '../../cli/context.js';
import {
  actOn,
  IncidentsCommand,
  type IncidentsResult,
  idArg,
} from '../../cli/incident-command.js';
import { incidentId } from '../../cli/incidents.js';

export default class IncidentMerge extends IncidentsCommand {
  static override summary = 'Merge an incident into another one that it belongs to.';
  static override description =
    'It is closed and keeps its log; what its cause does from then on is recorded with the other one.';
  static override examples = ['<%= config.bin %> incident merge 13 --into 12'];
  static override args = idArg;
  static override flags = {
    into: Flags.string({
      required: true,
      helpValue: 'ID',
      description: 'Number of the other one.',
    }),
  };

  override async execute(context: CommandContext): Promise<IncidentsResult> {
    const { args, flags } = this.input(IncidentMerge);
    return actOn(context, args.id, { type: 'merge', into: incidentId(flags.into) });
  }
}
