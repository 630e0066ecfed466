import type { CommandContext } from '../../../cli/context.js';
import { rotationFlags } from '../../../cli/rotation-flags.js';
import {
  newRunFlags,
  RunbookRunCommand,
  runbookFlags,
  toRunbookFlags,
} from '../../../cli/runbook-run-command.js';

export default class CredentialsRotateAws extends RunbookRunCommand {
  static override summary = 'Rotate the AWS access key, in stages that may take days.';
  static override description =
    `Creates a second key, stores it in every sink, proves it with STS and the lake, and hands it out. Then the run waits (status 4): for the soak time, until the old key is out of use, and for the grace time after it was deactivated. \`--continue\` goes on each time; a scheduler may call it as often as it likes. At the end the old key is deleted.

Until then \`--undo\` takes everything back. Off a terminal the start needs --confirm USER, or --plan with the hash that --dry-run prints.`;
  static override examples = [
    '<%= config.bin %> credentials rotate aws --dry-run',
    '<%= config.bin %> credentials rotate aws --confirm etl-user',
    '<%= config.bin %> credentials rotate aws --continue',
    '<%= config.bin %> credentials rotate aws --undo --yes',
  ];
  static override flags = { ...rotationFlags, ...newRunFlags, ...runbookFlags };

  override async perform(context: CommandContext) {
    const { flags: parsed } = this.input(CredentialsRotateAws);
    const { rotate } = await import('../../../cli/rotation-command.js');
    const { 'dry-run': dryRun, incident } = parsed;
    const flags = { ...toRunbookFlags(parsed), dryRun, incident };
    return { report: await rotate(context, 'aws', parsed, flags), flags };
  }
}
