import { Flags } from '@oclif/core';
import type { CommandContext } from '../../cli/context.js';
import {
  actOn,
  IncidentsCommand,
  type IncidentsResult,
  idArg,
} from '../../cli/incident-command.js';
import { invalid } from '../../system/errors.js';

export default class IncidentAction extends IncidentsCommand {
  static override summary = 'Add an action item to an incident, or say that one is done.';
  static override description = '`health` reminds of those that are past their date.';
  static override examples = [
    '<%= config.bin %> incident action 12 --add "Alert at 80 % of the disk" --owner ada --due 2026-12-01',
    '<%= config.bin %> incident action 12 --done 1',
  ];
  static override args = idArg;
  static override flags = {
    add: Flags.string({
      helpValue: 'TEXT',
      dependsOn: ['owner', 'due'],
      exclusive: ['done'],
      description: 'What is to be done.',
    }),
    owner: Flags.string({ helpValue: 'NAME', description: 'Who does it.' }),
    due: Flags.string({ helpValue: 'DATE', description: 'Until when, such as 2026-12-31.' }),
    done: Flags.integer({ min: 1, helpValue: 'N', description: 'Number of the item.' }),
  };

  override async execute(context: CommandContext): Promise<IncidentsResult> {
    const { args, flags } = this.input(IncidentAction);
    const { add, owner, due, done } = flags;
    if (done !== undefined) return actOn(context, args.id, { type: 'finish-action', item: done });
    if (add === undefined || owner === undefined || due === undefined) {
      throw invalid('USAGE_ERROR', 'Say what to add, or which item is done.', {
        hint: 'reviewops incident action ID --add TEXT --owner NAME --due DATE, or --done N',
      });
    }
    if (!/^\d{4}-\d{2}-\d{2}$/.test(due) || Number.isNaN(Date.parse(due))) {
      throw invalid('USAGE_ERROR', `${JSON.stringify(due)} is no date.`, {
        hint: 'It looks like 2026-12-31.',
      });
    }
    return actOn(context, args.id, { type: 'add-action', text: add, owner, due });
  }
}
