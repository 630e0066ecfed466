import { Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../../cli/command.js';
import type { CommandContext } from '../../../cli/context.js';
import type { DueRotation } from '../../../cli/due-rotations.js';
import { changeFlags, destroyFlags } from '../../../cli/flags.js';
import { renderTable } from '../../../cli/table.js';
import type { Terminal } from '../../../cli/terminal.js';
import type { CredentialStatus } from '../../../credentials/status.js';
import { ExitCode, invalid } from '../../../system/errors.js';

interface DueResult {
  rotations: DueRotation[];
  /** Credentials that are due, before anything was done. */
  due: Pick<CredentialStatus, 'kind' | 'id' | 'state' | 'ageDays'>[];
}

const { confirm } = destroyFlags;

export default class CredentialsRotate extends ReviewopsCommand<DueResult> {
  static override summary = 'Rotate what is due, and go on with what has waited long enough.';
  static override description =
    `For a scheduler: once a day or more often. Starts the rotation of each credential from the age at which \`health\` warns, and goes on with rotations whose time has come; ends with status 0 when nothing failed, whether or not there was something to do.

Off a terminal the database's rotation needs --yes, and that of AWS --confirm with the name of the IAM user, since an old key is deleted at its end; both may be given.`;
  static override examples = [
    '<%= config.bin %> credentials rotate --due --yes --confirm etl-user',
    '<%= config.bin %> credentials rotate --due --dry-run',
  ];
  static override flags = {
    due: Flags.boolean({ description: 'Rotate what is due; without it name what to rotate.' }),
    'dry-run': Flags.boolean({ description: 'Say what is due; change nothing.' }),
    ...changeFlags,
    confirm,
  };

  override async execute(context: CommandContext): Promise<DueResult> {
    const { flags } = this.input(CredentialsRotate);
    if (!flags.due) {
      throw invalid('USAGE_ERROR', 'Say what to rotate.', {
        hint: '`reviewops credentials rotate aws`, `reviewops credentials rotate database`, or `--due` for what is due.',
      });
    }
    const [{ servicesOf }, { credentialStatus }, { lookingContext }, { rotateDue }] =
      await Promise.all([
        import('../../../cli/runbook-services.js'),
        import('../../../runbooks/support/credential-status.js'),
        import('../../../runbooks/support/looking.js'),
        import('../../../cli/due-rotations.js'),
      ]);
    const looking = lookingContext(await servicesOf(context), context.signal, context.warn);
    const status = await credentialStatus(looking);
    const due = status.credentials
      .filter(({ inUse, state }) => inUse && (state === 'warning' || state === 'critical'))
      .map(({ kind, id, state, ageDays }) => ({ kind, id, state, ageDays }));
    if (flags['dry-run']) return { rotations: [], due };
    const answers = { yes: flags.yes, confirm: flags.confirm };
    return { rotations: await rotateDue(context, status, answers), due };
  }

  override render({ rotations, due }: DueResult, terminal: Terminal): string {
    if (rotations.length === 0) {
      return due.length === 0
        ? 'Nothing is due.'
        : due.map(({ kind, id, ageDays }) => `Due: ${kind} ${id} (${ageDays} days old)`).join('\n');
    }
    return renderTable(
      [{ name: 'kind' }, { name: 'done' }, { name: 'state' }, { name: '' }],
      rotations.map(({ kind, action, state, reason }) => [kind, action, state ?? '', reason ?? '']),
      terminal,
    );
  }

  protected override exitCode({ rotations }: DueResult): ExitCode {
    return rotations.find(({ exitCode }) => exitCode !== ExitCode.done)?.exitCode ?? ExitCode.done;
  }
}
