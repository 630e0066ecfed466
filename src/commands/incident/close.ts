import { Flags } from '@oclif/core';
import type { CommandContext } from '../../cli/context.js';
import { IncidentsCommand, type IncidentsResult, idArg } from '../../cli/incident-command.js';

export default class IncidentClose extends IncidentsCommand {
  static override summary = 'Close a resolved incident with its checklist.';
  static override description =
    `Asks for each point of the checklist on a terminal; elsewhere each is confirmed with --checked:
symptom-gone (the symptom is gone), quality-tests (they pass), no-new-alert (there is none), logs
(checked and archived), communicated (what was done is documented and communicated). Without all
five the incident stays as it is (exit 3).`;
  static override examples = [
    '<%= config.bin %> incident close 12',
    '<%= config.bin %> incident close 12 --checked symptom-gone --checked quality-tests --checked no-new-alert --checked logs --checked communicated',
  ];
  static override args = idArg;
  static override flags = {
    checked: Flags.option({
      options: ['symptom-gone', 'quality-tests', 'no-new-alert', 'logs', 'communicated'] as const,
      multiple: true,
      description: 'A point of the checklist that holds; give all of them.',
    })(),
    'root-cause': Flags.string({ helpValue: 'TEXT', description: 'Why it happened.' }),
    action: Flags.string({ helpValue: 'TEXT', description: 'What was done against it.' }),
  };

  override async execute(context: CommandContext): Promise<IncidentsResult> {
    const { args, flags } = this.input(IncidentClose);
    const { closeIncident } = await import('../../cli/incident-close.js');
    return closeIncident(context, args.id, {
      checked: flags.checked ?? [],
      rootCause: flags['root-cause'],
      action: flags.action,
    });
  }
}
