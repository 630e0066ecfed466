import { quoteIdentifier } from '../database/identifiers.js';
import { type Engine, literal, quoteName } from '../engine/session.js';
import { longestKeyBytes, type TableInfo } from './catalog.js';
import type { FramedFile } from './frame.js';

/** Rows for one table of the target, staged in the engine. */
export interface StagedTable {
  table: TableInfo;
  /** Columns that the rows give, in the order of `select` after `file` and `line`. */
  columns: string[];
  /** Engine query: `file` (place in the list of sources), `line`, then the columns. */
  select: string;
  rows: number;
  /** Whether a row of this table stands for a source record. */
  counts: boolean;
}

export interface StagedImport {
  tables: StagedTable[];
  /** By place of the source. */
  rejected: number[];
  folded: number[];
}

/** More than the lines of any file: 2^40. */
const linesPerFile = 1_099_511_627_776;

/** `file` and `line` (engine expressions) as one number that orders records as they were read. */
export const ordinalOf = (file: string, line: string): string =>
  `(CAST(${file} AS BIGINT) * ${linesPerFile} + ${line})`;

export const ordinal = ordinalOf('file', 'line');

/** The two that an ordinal (an engine expression) was made of. */
export const ordinalFile = (value: string): string =>
  `CAST(${value} // ${linesPerFile} AS INTEGER)`;
export const ordinalLine = (value: string): string => `${value} % ${linesPerFile}`;

/** The engine's table of rejects found so far: file, line, rule, reason. */
export const rejectsTable = 'import_rejects';

export async function createRejectsTable(engine: Engine): Promise<void> {
  await engine.run(
    `CREATE TABLE ${rejectsTable} (file INTEGER, line BIGINT, rule VARCHAR, reason VARCHAR)`,
  );
}

/**
 * Adds the records that a rule holds for to the rejects. `from`: a table with file, line, rule and
 * reason. Gives their number by source.
 */
export async function takeRejects(engine: Engine, from: string, files: number): Promise<number[]> {
  const rejects = `${from} WHERE rule IS NOT NULL`;
  await engine.run(`INSERT INTO ${rejectsTable} SELECT file, line, rule, reason FROM ${rejects}`);
  return countByFile(engine, rejects, files);
}

/** Rows of a query by source; a source without any has 0. */
export async function countByFile(engine: Engine, from: string, files: number): Promise<number[]> {
  const counts = new Array<number>(files).fill(0);
  const rows = await engine.rows<{ file: number; rows: number }>(
    `SELECT file, count(*) AS rows FROM ${from} GROUP BY file`,
  );
  for (const row of rows) counts[row.file] = row.rows;
  return counts;
}

export async function countRows(engine: Engine, from: string): Promise<number> {
  const [row] = await engine.rows<{ rows: number }>(`SELECT count(*) AS rows FROM ${from}`);
  return row?.rows ?? 0;
}

export interface Rule {
  rule: string;
  /** Engine condition. */
  when: string;
  /** Engine expression of type text. */
  reason: string;
}

/** The rule for texts (engine expressions) that together are too long for an index. */
export const keyTooLong = (names: string, texts: readonly string[]): Rule => ({
  rule: 'key_too_long',
  when: `${texts.map((text) => `coalesce(strlen(${text}), 0)`).join(' + ')} > ${longestKeyBytes}`,
  reason: literal(`${names}: more than ${longestKeyBytes} bytes, which no index can hold`),
});

/** Expressions for the first rule that holds: its number, and from that its name and reason. */
export function ruleColumns(rules: readonly Rule[]): {
  number: string;
  rule: string;
  reason: string;
} {
  if (rules.length === 0) return { number: 'CAST(NULL AS INTEGER)', rule: 'NULL', reason: 'NULL' };
  const pick = (column: (rule: Rule) => string) =>
    `CASE rule_number ${rules.map((rule, index) => `WHEN ${index} THEN ${column(rule)}`).join(' ')} END`;
  return {
    number: `CASE ${rules.map((rule, index) => `WHEN ${rule.when} THEN ${index}`).join(' ')} END`,
    rule: pick((rule) => literal(rule.rule)),
    reason: pick((rule) => rule.reason),
  };
}

/** Checks that the engine read every record that the framer wrote: else one of them is wrong. */
export function assertAllRead(staged: readonly number[], files: readonly FramedFile[]): void {
  files.forEach((file, index) => {
    if (staged[index] === file.records) return;
    throw new Error(
      `import: ${file.records} records were framed from ${file.path}, ${staged[index]} were staged`,
    );
  });
}

export const quoteNames = (names: readonly string[]): string => names.map(quoteName).join(', ');

/** The server's temporary table for the rows of a table. */
export const stagingName = (table: TableInfo): string =>
  quoteIdentifier(`import_${table.name}`.slice(0, 63));
