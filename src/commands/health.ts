import { Flags } from '@oclif/core';
import { ReviewopsCommand } from '../cli/command.js';
import type { CommandContext } from '../cli/context.js';
import type { Failure } from '../cli/failure.js';
import { healthText } from '../cli/health-text.js';
import { resultText, writeResult } from '../cli/output.js';
import { renderTable } from '../cli/table.js';
import type { Terminal } from '../cli/terminal.js';
import type { Check } from '../health/check.js';
import type { HealthReport } from '../health/runner.js';
import { ExitCode, throwIfAborted } from '../system/errors.js';

/** Of the monitoring plugins, which this command alone follows. */
const PluginStatus = { ok: 0, warning: 1, critical: 2, unknown: 3 } as const;

const formats = ['text', 'junit', 'prometheus', 'nagios'] as const;
const everySeconds = 30;

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
  static override flags = {
    check: Flags.string({
      multiple: true,
      helpValue: 'NAME',
      description: 'Only this check; several may be given.',
    }),
    format: Flags.option({
      options: formats,
      default: 'text' as const,
      description: 'How the report is written.',
    })(),
    'fail-on': Flags.option({
      options: ['warning', 'critical'] as const,
      default: 'warning' as const,
      description: 'With critical, a warning ends with status 0.',
    })(),
    watch: Flags.boolean({
      description: 'Look again and again until Ctrl-C; `--watch 60` is `--watch --every 60`.',
      exclusive: ['json', 'list'],
    }),
    every: Flags.integer({
      helpValue: 'SECONDS',
      min: 1,
      dependsOn: ['watch'],
      description: `Seconds between two looks of a watch; ${everySeconds} unless given.`,
    }),
    'no-wake': Flags.boolean({
      description: 'Make no connection to the database, so that serverless compute stays asleep.',
    }),
    incidents: Flags.boolean({
      allowNo: true,
      default: true,
      description: 'Open incidents for what is found (incidents.openFrom.health says from when).',
    }),
    list: Flags.boolean({ description: 'List the checks; run none.' }),
  };

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
    const { healthLooker } = await import('../cli/health-looker.js');
    const look = await healthLooker(context, selected, flags['no-wake']);
    const open = async (report: HealthReport) => {
      if (!flags.incidents) return;
      const { reportHealth } = await import('../cli/incident-signals.js');
      await reportHealth(context, report.checks, !flags['no-wake']);
    };
    if (!flags.watch) {
      const report = await look(0);
      await open(report);
      return report;
    }
    const { setTimeout: wait } = await import('node:timers/promises');
    for (let round = 0; ; round += 1) {
      const report = await look(round);
      await this.#show(report, context.terminal);
      await open(report);
      await wait((flags.every ?? everySeconds) * 1000, undefined, {
        signal: context.signal,
      }).catch(() => throwIfAborted(context.signal));
    }
  }

  async #show(report: HealthReport, terminal: Terminal): Promise<void> {
    const text = this.#format(report, terminal);
    const dated = this.input(Health).flags.format === 'text' ? `${report.at}\n${text}\n\n` : text;
    await writeResult(resultText(dated, terminal.color), 0);
  }

  override render(result: HealthResult, terminal: Terminal): string {
    if ('checks' in result) return this.#format(result, terminal);
    return renderTable(
      [{ name: 'check' }, { name: 'group' }, { name: 'looks at' }],
      result.list.map(({ name, group, title }) => [name, group, title]),
      terminal,
    );
  }

  protected override exitCode(result: HealthResult): ExitCode {
    if (!('checks' in result)) return PluginStatus.ok;
    const { critical, warning, unknown } = result.counts;
    if (critical > 0) return PluginStatus.critical;
    const warnings = this.input(Health).flags['fail-on'] === 'warning';
    if (warnings && warning > 0) return PluginStatus.warning;
    return unknown > 0 ? PluginStatus.unknown : PluginStatus.ok;
  }

  protected override failureStatus({ status }: Failure): number {
    return status === ExitCode.interrupted ? status : PluginStatus.unknown;
  }
}

/** `--watch 60` as `--watch --every=60`: the parser knows no flag whose value may be left out. */
function withInterval(argv: readonly string[]): string[] {
  return argv.map((word, index) =>
    argv[index - 1] === '--watch' && /^\d+$/.test(word) ? `--every=${word}` : word,
  );
}

const describeCheck = ({ name, title, group }: Check) => ({ name, title, group });
