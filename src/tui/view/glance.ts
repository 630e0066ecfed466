import type { CheckResult } from '../../health/runner.js';
import { formatCount } from '../../system/duration.js';
import type { Model } from '../state/model.js';
import { nextClock } from './incident-tables.js';
import { type Line, line, span } from './line.js';
import type { Column, Row, Table } from './table.js';
import { tableLines } from './table-lines.js';
import { checkRow, worstFirst } from './tables.js';
import { checkSign, signSpan, timeLeft } from './words.js';

/** What the first screen tells of, each from the checks that see it, in the order of reading. */
const subjects: readonly (readonly [string, readonly string[]])[] = [
  ['database', ['database', 'schema']],
  ['served', ['served-rows']],
  ['last run', ['last-run']],
  ['rejects', ['reject-rate']],
  ['lake', ['lake', 'silver', 'gold', 'manifests']],
  ['password', ['password-age']],
  ['access key', ['access-key-age']],
  ['incidents', ['incidents']],
];

const columns: readonly Column[] = [
  { title: 'state', width: 10 },
  { title: 'what', width: 14 },
  { title: 'found', width: 'rest', least: 40 },
  { title: 'runbook', width: 20 },
];

/**
 * The system in few lines: what is wrong one by one, the worst first; what is not known for the
 * same reason together; what is well by subject.
 */
export function glanceRows(model: Model): Row[] {
  const checks = model.stock.glance.value?.checks ?? [];
  const wrong = checks.filter(({ state }) => state === 'critical' || state === 'warning');
  const unknown = checks.filter(({ state }) => state === 'unknown');
  const well = checks.filter(({ state }) => state === 'ok' || state === 'skipped');
  return [
    ...worstFirst(wrong).map(checkRow),
    ...together(unknown),
    ...subjects.flatMap(([name, of]) => {
      const found = well.filter((check) => of.includes(check.name));
      return found.length === 0 ? [] : [subjectRow(model, name, found)];
    }),
  ];
}

/** What is not known for one reason is one line: ten times the same hides everything else. */
function together(unknown: readonly CheckResult[]): Row[] {
  const reasons = [...new Set(unknown.map(({ summary }) => summary))];
  return reasons.flatMap((reason) => {
    const checks = unknown.filter(({ summary }) => summary === reason);
    const [first] = checks;
    if (first === undefined) return [];
    if (checks.length === 1) return [checkRow(first)];
    const { cells, ...rest } = checkRow(first);
    const [sign, , , ...others] = cells;
    return [
      {
        ...rest,
        cells: [
          sign ?? span(''),
          span(`${formatCount(checks.length)} checks`),
          span(`${checks.map(({ name }) => name).join(', ')}: ${reason}`),
          ...others,
        ],
      },
    ];
  });
}

function subjectRow(model: Model, name: string, checks: readonly CheckResult[]): Row {
  const state = checks.some((check) => check.state === 'ok') ? 'ok' : 'skipped';
  const told = checks.filter((check) => check.state === state).map(({ summary }) => summary);
  const text = name === 'incidents' ? incidentsText(model, told) : told.join('; ');
  return {
    cells: [signSpan(checkSign(state)), span(name), span(text), span('')],
    says: text,
    copies: text,
  };
}

/** How many are open, and how long there is for the most urgent one. */
function incidentsText({ now, stock }: Model, told: readonly string[]): string {
  const open = stock.incidents.value ?? [];
  const [first] = open;
  if (first === undefined) return told.join('; ');
  const due = nextClock(first);
  const left = due === null ? '' : ` ${timeLeft(due, now)}${Date.parse(due) < now ? '' : ' left'}`;
  return `${open.length} open; #${first.incidentId} ${first.severity ?? '?'}${left}: ${first.summary}`;
}

/** How many lines the glance needs. */
export const glanceHeight = (model: Model): number => Math.max(1, glanceRows(model).length);

/** The glance in at most `height` lines of at most `width` columns. */
export function glanceLines(model: Model, width: number, height: number): Line[] {
  const rows = glanceRows(model);
  const { glance } = model.stock;
  if (rows.length === 0) {
    return [line(`  ${glance.error ?? (glance.loading ? 'Looking …' : 'Not looked yet.')}`, 'dim')];
  }
  const table: Table = { columns, rows, empty: '' };
  const kept = rows.length > height ? height - 1 : height;
  const lines = tableLines(table, 0, width - 2, kept).rows.map(
    ({ line: content }): Line => [{ text: '  ' }, ...content],
  );
  if (rows.length <= height) return lines;
  return [...lines, line(`  … and ${rows.length - kept} more: 1 shows all`, 'dim')];
}
