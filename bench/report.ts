import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { formatBytes } from '../src/system/duration.js';
import { root } from './home.js';

/** One line of the table. */
export interface Row {
  name: string;
  ours: string;
  /** What it is held against, measured in the same run. */
  baseline: string;
  ratio?: number;
  target?: string;
  /** Whether the target is met; undefined for what is only told. */
  met?: boolean;
}

export const seconds = (value: number): string => {
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  return `${value.toFixed(value < 100 ? 1 : 0)} s`;
};

export const bytes = (value: number | undefined): string =>
  value === undefined ? 'unknown' : formatBytes(value);

export const count = (value: number): string => value.toLocaleString('en-US');

/** A row whose ratio must not exceed a limit. */
export const ratioRow = (
  name: string,
  ours: number,
  baseline: { seconds: number; what: string },
  limit: number,
): Row => ({
  name,
  ours: seconds(ours),
  baseline: `${seconds(baseline.seconds)} (${baseline.what})`,
  ratio: ours / baseline.seconds,
  target: `≤ ${limit} ×`,
  met: ours / baseline.seconds <= limit,
});

/** The rows as a table that reads well on a terminal and in Markdown. */
export function renderTable(heads: readonly string[], rows: readonly string[][]): string {
  const lines = [heads, ...rows];
  const widths = heads.map((_, index) =>
    Math.max(...lines.map((cells) => (cells[index] ?? '').length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, index) => (cells[index] ?? '').padEnd(width)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [line(heads), rule, ...rows.map(line)].join('\n');
}

export const renderRows = (rows: readonly Row[]): string =>
  renderTable(
    ['what', 'ours', 'baseline', 'ratio', 'target', ''],
    rows.map((row) => [
      row.name,
      row.ours,
      row.baseline,
      row.ratio === undefined ? '' : row.ratio.toFixed(2),
      row.target ?? '',
      row.met === undefined ? '' : row.met ? 'ok' : 'MISSED',
    ]),
  );

/** What the figures depend on. */
export function machineFacts(): string {
  const [cpu] = cpus();
  return `${cpus().length} × ${cpu?.model.trim() ?? 'unknown CPU'}, ${formatBytes(totalmem())} of memory, ${type()} ${release()}, Node ${process.version}; ${new Date().toISOString().slice(0, 10)}`;
}

/** The command to show beside the figures; where the data was kept says nothing about them. */
export function shownCommand(script: string, args: readonly string[]): string {
  const shown = args.filter(
    (arg, index) => !['--write', '--home'].includes(arg) && args[index - 1] !== '--home',
  );
  return [`npm run ${script}`, ...(shown.length > 0 ? ['--', ...shown] : [])].join(' ');
}

const page = join(root, 'docs', 'benchmarks.md');

const empty = `# Benchmarks

Every figure stands beside a baseline that was measured in the same run, on the same machine and the
same data (the generated sample): a ratio travels, a number of seconds does not. Medians of several
runs where they are short. The database is the embedded one; peak memory is that of the one process,
without the database server.
`;

/** Puts a section into docs/benchmarks.md, in place of what its last run wrote. */
export function writeSection(name: string, title: string, text: string): void {
  const start = `<!-- ${name}: start -->`;
  const end = `<!-- ${name}: end -->`;
  const section = `${start}\n## ${title}\n\n${text.trim()}\n${end}`;
  const old = existsSync(page) ? readFileSync(page, 'utf8') : empty;
  const from = old.indexOf(start);
  const to = old.indexOf(end);
  const now =
    from === -1 || to === -1
      ? `${old.trimEnd()}\n\n${section}\n`
      : old.slice(0, from) + section + old.slice(to + end.length);
  writeFileSync(page, now);
}
