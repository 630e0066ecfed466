import { Flags } from '@oclif/core';
import type { CommandContext } from '../../../cli/context.js';
import { rotationFlags } from '../../../cli/rotation-flags.js';
import {
  newRunFlags,
  RunbookRunCommand,
  runbookFlags,
  toRunbookFlags,
} from '../../../cli/runbook-run-command.js';

export default class CredentialsRotateDatabase extends RunbookRunCommand {
  static override summary = 'Rotate the login of the database.';
  static override description =
    `With credentials.database.mode alternating (the default) two login roles take turns, and nobody is ever refused: the run waits (status 4) for the soak time and until the last session of the old login has ended, then locks it. \`--continue\` goes on. With single or neon one role gets a new password, with a gap that the plan names.

Roles are managed with REVIEWOPS_DATABASE_ADMIN_URL where it is set.`;
  static override examples = [
    '<%= config.bin %> credentials rotate database --dry-run',
    '<%= config.bin %> credentials rotate database --yes',
    '<%= config.bin %> credentials rotate database --continue --end-sessions',
  ];
  static override flags = {
    ...rotationFlags,
    'end-sessions': Flags.boolean({
      description: 'End the sessions of the old login when it is locked, instead of waiting.',
    }),
    ...newRunFlags,
    ...runbookFlags,
  };

  override async perform(context: CommandContext) {
    const { flags: parsed } = this.input(CredentialsRotateDatabase);
    const { rotate } = await import('../../../cli/rotation-command.js');
    const { 'dry-run': dryRun, incident, 'end-sessions': endSessions } = parsed;
    const flags = { ...toRunbookFlags(parsed), dryRun, incident };
    const choice = { continue: parsed.continue, undo: parsed.undo, endSessions };
    return { report: await rotate(context, 'database', choice, flags), flags };
  }
}
