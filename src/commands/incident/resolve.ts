import { Flags } from '@oclif/core';
import type { CommandContext } from '../../cli/context.js';
import {
  actOn,
  IncidentsCommand,
  type IncidentsResult,
  idArg,
} from '../../cli/incident-command.js';

export default class IncidentResolve extends IncidentsCommand {
  static override summary = 'Say that an incident is resolved.';
  static override description =
    'The clocks stop. When the same cause returns, the incident is reopened.';
  static override examples = [
    '<%= config.bin %> incident resolve 12 --root-cause "Disk full" --action "Purged old batches"',
  ];
  static override args = idArg;
  static override flags = {
    'root-cause': Flags.string({ helpValue: 'TEXT', description: 'Why it happened.' }),
    action: Flags.string({ helpValue: 'TEXT', description: 'What was done against it.' }),
  };

  override async execute(context: CommandContext): Promise<IncidentsResult> {
    const { args, flags } = this.input(IncidentResolve);
    const { 'root-cause': rootCause, action } = flags;
    return actOn(context, args.id, {
      type: 'resolve',
      ...(rootCause === undefined ? {} : { rootCause }),
      ...(action === undefined ? {} : { action }),
    });
  }
}
