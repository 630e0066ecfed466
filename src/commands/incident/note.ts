import { Args } from '@oclif/core';
import type { CommandContext } from '../../cli/context.js';
import {
  actOn,
  IncidentsCommand,
  type IncidentsResult,
  idArg,
} from '../../cli/incident-command.js';

export default class IncidentNote extends IncidentsCommand {
  static override summary = 'Add a note to an incident.';
  static override examples = ['<%= config.bin %> incident note 12 "The replica is back."'];
  static override args = {
    ...idArg,
    text: Args.string({ required: true, description: 'What is to be remembered.' }),
  };

  override async execute(context: CommandContext): Promise<IncidentsResult> {
    const { args } = this.input(IncidentNote);
    return actOn(context, args.id, { type: 'note', text: args.text });
  }
}
