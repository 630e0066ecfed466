import { type CheckState, several } from '../health/check.js';
import type { HealthReport } from '../health/runner.js';
import { formatSeconds } from '../system/duration.js';
import { oneLine, renderTable } from './table.js';
import { paint, type Style, type Terminal } from './terminal.js';

const styles: Record<CheckState, Style> = {
  ok: 'green',
  skipped: 'dim',
  unknown: 'yellow',
  warning: 'yellow',
  critical: 'red',
};

/** The report for people: every check in a line, then what to do about those that are not ok. */
export function healthText(report: HealthReport, terminal: Terminal): string {
  const table = renderTable(
    [{ name: 'state' }, { name: 'check' }, { name: 'found' }],
    report.checks.map((check) => [
      paint(terminal, styles[check.state], check.state),
      check.name,
      check.summary,
    ]),
    terminal,
  );
  const cures = cureLines(report, terminal);
  const counted = (['critical', 'warning', 'unknown', 'ok', 'skipped'] as const)
    .filter((state) => report.counts[state] > 0)
    .map((state) => paint(terminal, styles[state], `${report.counts[state]} ${state}`));
  return [
    table,
    '',
    ...(cures.length === 0 ? [] : [...cures, '']),
    `${paint(terminal, styles[report.state], report.state)}: ${counted.join(', ')} in ${formatSeconds(report.seconds)}`,
  ].join('\n');
}

/** The checks that there are. */
export const checksText = (
  list: readonly { name: string; group: string; title: string }[],
  terminal: Terminal,
): string =>
  renderTable(
    [{ name: 'check' }, { name: 'group' }, { name: 'looks at' }],
    list.map(({ name, group, title }) => [name, group, title]),
    terminal,
  );

/** What to do, once for all the checks that it cures. */
function cureLines(report: HealthReport, terminal: Terminal): string[] {
  const byCure = new Map<string, string[]>();
  for (const { name, state, runbook, next } of report.checks) {
    if (state === 'ok' || state === 'skipped') continue;
    const lines = [runbook?.command, next].filter((line) => line !== null && line !== undefined);
    const cure = lines.map((line) => `  ${oneLine(line)}`).join('\n');
    byCure.set(cure, [...(byCure.get(cure) ?? []), name]);
  }
  return [...byCure].flatMap(([cure, names]) => [
    `${paint(terminal, 'bold', several(names, 4))}:`,
    ...(cure === '' ? [] : [cure]),
  ]);
}
