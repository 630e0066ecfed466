import { ReviewopsCommand } from '../cli/command.js';
import type { CommandContext } from '../cli/context.js';
import type { Failure } from '../cli/failure.js';
import { everySeconds, healthFlags } from '../cli/health-flags.js';
import { lookOnce, watch, withInterval } from '../cli/health-looks.js';
import { PluginStatus, pluginStatus } from '../cli/health-status.js';
import { checksText, healthText } from '../cli/health-text.js';
import type { Terminal } from '../cli/terminal.js';
import type { Check } from '../health/check.js';
import type { HealthReport } from '../health/runner.js';
import { ExitCode } from '../system/errors.js';

interface CheckList {
  list: { name: string; title: string; group: string }[];
}

type HealthResult = HealthReport | CheckList;

type Formatter = (report: HealthReport, terminal: Terminal) => string;

export default class Health extends ReviewopsCommand<HealthResult> {
  static override summary =
    'Check everything the system needs, and name the runbook that cures it.';
  static override description =
    'Status as the monitoring plugins have it, and unlike every other command: 0 ok, 1 warning, 2 critical, 3 unknown (wrong usage included). What could not be seen is unknown, never ok.';
  static override examples = [
    '<%= config.bin %> health',
    '<%= config.bin %> health --check gold lake-space --format nagios',
    '<%= config.bin %> health --fail-on critical --no-wake --json',
    '<%= config.bin %> health --watch 60',
  ];
  static override flags = healthFlags;

  #format: Formatter = healthText;

  protected override async init(): Promise<void> {
    await super.init();
    this.argv = withInterval(this.argv);
  }

  override async execute(context: CommandContext): Promise<HealthResult> {
    const { flags } = this.input(Health);
    const { checks, selectChecks } = await import('../health/catalogue.js');
    if (flags.list) return { list: checks.map(describeCheck) };
    const selected = selectChecks(flags.check ?? []);
    const { healthFormatter } = await import('../cli/health-formats.js');
    this.#format = await healthFormatter(flags.format, context.tool);
    const looks = { checks: selected, noWake: flags['no-wake'], incidents: flags.incidents };
    if (!flags.watch) return lookOnce(context, looks);
    const dated = flags.format === 'text';
    return watch(context, {
      ...looks,
      everySeconds: flags.every ?? everySeconds,
      text: (report) => {
        const text = this.#format(report, context.terminal);
        return dated ? `${report.at}\n${text}\n\n` : text;
      },
    });
  }

  override render(result: HealthResult, terminal: Terminal): string {
    return 'checks' in result ? this.#format(result, terminal) : checksText(result.list, terminal);
  }

  protected override exitCode(result: HealthResult): ExitCode {
    if (!('checks' in result)) return PluginStatus.ok;
    return pluginStatus(result, this.input(Health).flags['fail-on']);
  }

  protected override failureStatus({ status }: Failure): number {
    return status === ExitCode.interrupted ? status : PluginStatus.unknown;
  }
}

const describeCheck = ({ name, title, group }: Check) => ({ name, title, group });
