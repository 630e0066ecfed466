import { Args } from '@oclif/core';
import type { CommandContext } from '../../cli/context.js';
import {
  actOn,
  IncidentsCommand,
  type IncidentsResult,
  idArg,
} from '../../cli/incident-command.js';

export default class IncidentAssign extends IncidentsCommand {
  static override summary = 'Give an incident to somebody.';
  static override examples = ['<%= config.bin %> incident assign 12 ada'];
  static override args = {
    ...idArg,
    owner: Args.string({ required: true, description: 'Who is to see it through.' }),
  };

  override async execute(context: CommandContext): Promise<IncidentsResult> {
    const { args } = this.input(IncidentAssign);
    return actOn(context, args.id, { type: 'assign', owner: args.owner });
  }
}
