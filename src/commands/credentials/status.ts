import { Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { credentialsText } from '../../cli/credentials-text.js';
import type { Terminal } from '../../cli/terminal.js';
import type { StatusReport } from '../../credentials/status.js';
import { ExitCode } from '../../system/errors.js';

const formats = ['text', 'junit', 'prometheus', 'nagios'] as const;

export default class CredentialsStatus extends ReviewopsCommand<StatusReport> {
  static override summary = 'Age, state, last use and next rotation of each credential.';
  static override description =
    'Access keys of AWS and logins of the database, against health.accessKeyDays (warns from 35 days, critical from 45) and health.passwordDays (60, 90). Ends with status 1 when one of them is due. Never shows a secret.';
  static override examples = [
    '<%= config.bin %> credentials status',
    '<%= config.bin %> credentials status --format prometheus',
  ];
  static override flags = {
    format: Flags.option({
      options: formats,
      default: 'text' as const,
      description: 'How it is written; those of `health`.',
    })(),
  };

  #format: ((report: StatusReport) => string) | undefined;

  override async execute(context: CommandContext): Promise<StatusReport> {
    const { flags } = this.input(CredentialsStatus);
    const [{ servicesOf }, { credentialStatus }, { lookingContext }, { asHealthReport }] =
      await Promise.all([
        import('../../cli/runbook-services.js'),
        import('../../runbooks/support/credential-status.js'),
        import('../../runbooks/support/looking.js'),
        import('../../credentials/status.js'),
      ]);
    const started = performance.now();
    const at = context.now();
    const looking = lookingContext(await servicesOf(context), context.signal, context.warn);
    const report = await credentialStatus(looking);
    if (flags.format !== 'text') {
      const { healthFormatter } = await import('../../cli/health-formats.js');
      const format = await healthFormatter(flags.format, context.tool);
      const health = asHealthReport(report, at, (performance.now() - started) / 1000);
      this.#format = () => format(health, context.terminal);
    }
    return report;
  }

  override render(report: StatusReport, terminal: Terminal): string {
    if (this.#format !== undefined) return this.#format(report);
    return credentialsText(report, terminal);
  }

  protected override exitCode({ credentials }: StatusReport): ExitCode {
    const due = credentials.some(({ state }) => state === 'warning' || state === 'critical');
    return due ? ExitCode.failed : ExitCode.done;
  }
}
