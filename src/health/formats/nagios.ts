import { type CheckState, several, type Threshold, type Unit } from '../check.js';
import type { CheckResult, HealthReport } from '../runner.js';

const words: Record<CheckState, string> = {
  ok: 'OK',
  skipped: 'OK',
  warning: 'WARNING',
  critical: 'CRITICAL',
  unknown: 'UNKNOWN',
};

/** Units of the plugins’ performance data; what it has no unit for goes without. */
const units: Partial<Record<Unit, string>> = { seconds: 's', percent: '%', bytes: 'B' };

const order = ['critical', 'warning', 'unknown'] as const;

/** How much of a summary fits into the one line. */
const longest = 120;

/** One line: `REVIEWOPS CRITICAL - 2 of 44 …| 'gold'=5 …`, as the monitoring plugins write it. */
export function nagiosText(report: HealthReport): string {
  const bad = order.flatMap((state) => report.checks.filter((check) => check.state === state));
  const skipped = report.counts.skipped;
  const what =
    bad.length === 0
      ? `${report.counts.ok} checks passed${skipped === 0 ? '' : `, ${skipped} skipped`}`
      : problems(bad).join('; ');
  const data = report.checks.filter(({ value }) => value !== null).map(performanceData);
  data.push(`'time'=${number(report.seconds)}s;;;0`);
  return `REVIEWOPS ${words[report.state]} - ${plain(what)} | ${data.join(' ')}\n`;
}

/** Each cause once, with the checks that it keeps from looking: readers cut long lines. */
function problems(bad: readonly CheckResult[]): string[] {
  const byCause = new Map<string, string[]>();
  for (const { name, state, summary } of bad) {
    const cause = `${words[state]}: ${cut(summary)}`;
    byCause.set(cause, [...(byCause.get(cause) ?? []), name]);
  }
  return [...byCause].map(([cause, names]) => `${several(names)} ${cause}`);
}

function performanceData({ name, value, unit, threshold }: CheckResult): string {
  const of = unit === null ? '' : (units[unit] ?? '');
  const limits = [limit(threshold, 'warning'), limit(threshold, 'critical')].join(';');
  return `'${name}'=${number(value ?? 0)}${of};${limits}`.replace(/;+$/, '');
}

const limit = (threshold: Threshold | null, level: keyof Threshold): string => {
  const value = threshold?.[level] ?? null;
  return value === null ? '' : number(value);
};

/** Without an exponent, which the plugins’ grammar does not know. */
const number = (value: number): string => {
  const text = value.toFixed(6);
  return text.replace(/\.?0+$/, '');
};

const cut = (text: string): string =>
  text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;

/** What the grammar gives a meaning to: the bar begins the data, a line end ends the line. */
const plain = (text: string): string => text.replace(/[\r\n\t]+/g, ' ').replaceAll('|', '/');
