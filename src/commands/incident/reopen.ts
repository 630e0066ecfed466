import { Flags } from '@oclif/core';
import type { CommandContext } from '../../cli/context.js';
import {
  actOn,
  IncidentsCommand,
  type IncidentsResult,
  idArg,
} from '../../cli/incident-command.js';

export default class IncidentReopen extends IncidentsCommand {
  static override summary =
    'Reopen an incident that was resolved or closed; its clocks begin anew.';
  static override examples = ['<%= config.bin %> incident reopen 12 --reason "The gap is back."'];
  static override args = idArg;
  static override flags = {
    reason: Flags.string({ required: true, helpValue: 'TEXT', description: 'Why it is not over.' }),
  };

  override async execute(context: CommandContext): Promise<IncidentsResult> {
    const { args, flags } = this.input(IncidentReopen);
    return actOn(context, args.id, { type: 'reopen', reason: flags.reason });
  }
}
