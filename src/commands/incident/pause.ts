import { Flags } from '@oclif/core';
import type { CommandContext } from '../../cli/context.js';
import {
  actOn,
  IncidentsCommand,
  type IncidentsResult,
  idArg,
} from '../../cli/incident-command.js';
import { invalid } from '../../system/errors.js';

export default class IncidentPause extends IncidentsCommand {
  static override summary =
    'Stop the clocks while the incident waits for somebody else, or let them go on.';
  static override description =
    'A pause is an answer: it stops the clock for the response, too. Status messages of a P1 go on.';
  static override examples = [
    '<%= config.bin %> incident pause 12 --reason "The provider works on it."',
    '<%= config.bin %> incident pause 12 --continue',
  ];
  static override args = idArg;
  static override flags = {
    reason: Flags.string({ helpValue: 'TEXT', description: 'What it waits for.' }),
    continue: Flags.boolean({
      description: 'The clocks go on with what was left.',
      exclusive: ['reason'],
    }),
  };

  override async execute(context: CommandContext): Promise<IncidentsResult> {
    const { args, flags } = this.input(IncidentPause);
    if (flags.continue) return actOn(context, args.id, { type: 'continue' });
    if (flags.reason === undefined) {
      throw invalid('USAGE_ERROR', 'A pause needs its reason.', {
        hint: 'Say what it waits for with --reason TEXT, or go on with --continue.',
      });
    }
    return actOn(context, args.id, { type: 'pause', reason: flags.reason });
  }
}
