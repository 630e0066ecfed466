import { type Engine, literal, quoteName } from '../engine/session.js';
import { invalid } from '../system/errors.js';
import type { ColumnInfo, TableInfo } from './catalog.js';
import type { FramedFile } from './frame.js';
import { fieldName, readFramed } from './reader.js';
import {
  assertAllRead,
  countByFile,
  countRows,
  keyTooLong,
  ordinal,
  ordinalOf,
  quoteNames,
  type Rule,
  ruleColumns,
  type StagedImport,
  type StagedTable,
  takeRejects,
} from './staging.js';
import type { TableMatch } from './table-match.js';
import { columnCast, isText, wrongTypeReason } from './types.js';

interface TableFile {
  file: FramedFile;
  match: TableMatch;
}

/**
 * Stages files that hold one table each. Rejects what the columns cannot take and records that
 * repeat a key with other values; folds exact repeats. Foreign keys, CHECKs and further unique
 * keys are judged by the server (load-tables.ts). Error: `TABLE_FILES_DIFFER`.
 */
export async function stageTables(
  engine: Engine,
  files: readonly TableFile[],
): Promise<StagedImport> {
  const names = [...new Set(files.map(({ match }) => match.table.name))];
  const tables: StagedTable[] = [];
  const rejected = new Array<number>(files.length).fill(0);
  const folded = new Array<number>(files.length).fill(0);
  const staged = new Array<number>(files.length).fill(0);
  for (const name of names) {
    const parts = files.flatMap((entry, index) =>
      entry.match.table.name === name ? [{ ...entry, index }] : [],
    );
    const result = await stageTable(engine, parts, files.length);
    tables.push(result.table);
    for (const { index } of parts) {
      staged[index] = result.staged[index] ?? 0;
      rejected[index] = result.rejected[index] ?? 0;
      folded[index] = result.folded[index] ?? 0;
    }
  }
  assertAllRead(
    staged,
    files.map(({ file }) => file),
  );
  return { tables, rejected, folded };
}

async function stageTable(
  engine: Engine,
  parts: readonly (TableFile & { index: number })[],
  files: number,
): Promise<{ table: StagedTable; staged: number[]; rejected: number[]; folded: number[] }> {
  const columns = sameColumns(parts);
  const table = (parts[0] as TableFile).match.table;
  const raw = quoteName(`table_${table.name}`);
  for (const [place, part] of parts.entries()) {
    const select = recordsSelect(table, columns, part, part.index);
    await engine.run(
      place === 0 ? `CREATE TABLE ${raw} AS ${select}` : `INSERT INTO ${raw} ${select}`,
    );
  }
  const staged = await countByFile(engine, raw, files);
  // A file may leave the key to a default; then every record is its own.
  const key =
    table.key.length === 0
      ? columns
      : table.key.every((name) => columns.includes(name))
        ? table.key
        : [];
  const kept = await keepFirst(engine, table, raw, key, columns);
  const rejected = await takeRejects(engine, raw, files);
  const keptByFile = await countByFile(engine, `(${kept})`, files);
  return {
    staged,
    rejected,
    folded: staged.map((count, index) => count - (rejected[index] ?? 0) - (keptByFile[index] ?? 0)),
    table: {
      table,
      columns,
      select: `SELECT file, line, ${quoteNames(columns)} FROM (${kept})`,
      rows: await countRows(engine, `(${kept})`),
      counts: true,
    },
  };
}

function sameColumns(parts: readonly TableFile[]): string[] {
  const [first, ...others] = parts as [TableFile, ...TableFile[]];
  const columns = first.match.fields.map((field) => field.column);
  for (const other of others) {
    const names = other.match.fields.map((field) => field.column);
    if (names.length === columns.length && names.every((name) => columns.includes(name))) continue;
    throw invalid(
      'TABLE_FILES_DIFFER',
      `${first.file.path} and ${other.file.path} hold the table "${first.match.table.name}" with different columns.`,
      { hint: 'Import them one after the other.' },
    );
  }
  return columns;
}

function recordsSelect(
  table: TableInfo,
  columns: readonly string[],
  { file, match }: TableFile,
  index: number,
): string {
  const sources = columns.map((name) => {
    const column = table.columns.find((candidate) => candidate.name === name) as ColumnInfo;
    const field = match.fields.find((candidate) => candidate.column === name);
    const text = fieldName(field?.index ?? 0);
    const cast = columnCast(column);
    return {
      column,
      cast,
      // Only text tells '' from NULL.
      text: cast.keepsEmpty ? text : `nullif(trim(${text}), '')`,
    };
  });
  const rules = sources.flatMap(({ column, cast, text }): Rule[] => {
    const found: Rule[] = [];
    if (column.notNull) {
      found.push({
        rule: 'value_missing',
        when: `${text} IS NULL`,
        reason: literal(`column "${column.name}" is empty and must not be`),
      });
    }
    if (column.maximumLength !== undefined) {
      // Spaces at the end do not count for the server either.
      found.push({
        rule: 'too_long',
        when: `length(rtrim(${text}, ' ')) > ${column.maximumLength}`,
        reason: `${literal(`column "${column.name}" takes at most ${column.maximumLength} characters, this one has `)} || length(${text})`,
      });
    }
    const value = cast.cast(text);
    if (value !== text) {
      found.push({
        rule: 'wrong_type',
        when: `${text} IS NOT NULL AND (${value}) IS NULL`,
        reason: wrongTypeReason(column.name, cast.what, text),
      });
    }
    return found;
  });
  for (const names of table.indexed) rules.push(...longKey(names, sources));
  const first = ruleColumns(rules);
  const values = sources.map(
    ({ column, cast, text }) => `${cast.cast(text)} AS ${quoteName(column.name)}`,
  );
  return `SELECT CAST(${index} AS INTEGER) AS file, line, ${values.join(', ')}, CAST(${first.rule} AS VARCHAR) AS rule, CAST(${first.reason} AS VARCHAR) AS reason FROM (SELECT *, ${first.number} AS rule_number FROM ${readFramed(file)})`;
}

/** A key that no index can hold would fail the whole import. */
function longKey(
  names: readonly string[],
  sources: readonly { column: ColumnInfo; text: string }[],
): Rule[] {
  const texts = sources.filter(({ column }) => names.includes(column.name) && isText(column));
  if (texts.length === 0) return [];
  return [
    keyTooLong(
      names.join(', '),
      texts.map(({ text }) => text),
    ),
  ];
}

/**
 * Query of the records that stay: the first of each key. A later one that differs from it is
 * marked as rejected in `raw`; an equal one is neither kept nor rejected: folded.
 */
async function keepFirst(
  engine: Engine,
  table: TableInfo,
  raw: string,
  key: readonly string[],
  columns: readonly string[],
): Promise<string> {
  const accepted = `${raw} WHERE rule IS NULL`;
  if (key.length === 0) return `SELECT * FROM ${accepted}`;
  const repeated = quoteName(`repeated_${table.name}`);
  await engine.run(
    `CREATE TABLE ${repeated} AS SELECT ${quoteNames(key)}, min(${ordinal}) AS ord FROM ${accepted} GROUP BY ${quoteNames(key)} HAVING count(*) > 1`,
  );
  if ((await countRows(engine, repeated)) === 0) return `SELECT * FROM ${accepted}`;
  const sameKey = (left: string, right: string) =>
    key
      .map((name) => `${left}.${quoteName(name)} IS NOT DISTINCT FROM ${right}.${quoteName(name)}`)
      .join(' AND ');
  const others = columns.filter((name) => !key.includes(name));
  if (others.length > 0) {
    const firsts = quoteName(`first_${table.name}`);
    await engine.run(
      `CREATE TABLE ${firsts} AS SELECT * FROM ${accepted} AND ${ordinal} IN (SELECT ord FROM ${repeated})`,
    );
    const differs = others
      .map((name) => `r.${quoteName(name)} IS DISTINCT FROM f.${quoteName(name)}`)
      .join(' OR ');
    const shown = key.map((name) => `coalesce(CAST(f.${quoteName(name)} AS VARCHAR), 'NULL')`);
    await engine.run(
      `UPDATE ${raw} AS r SET rule = 'duplicate_key', reason = ${literal(`the key (${key.join(', ')}) = (`)} || ${shown.join(` || ', ' || `)} || ') is on line ' || f.line || ' with other values' FROM ${firsts} AS f WHERE r.rule IS NULL AND ${sameKey('r', 'f')} AND NOT (r.file = f.file AND r.line = f.line) AND (${differs})`,
    );
  }
  return `SELECT r.* FROM ${raw} AS r LEFT JOIN ${repeated} AS d ON ${sameKey('r', 'd')} WHERE r.rule IS NULL AND (d.ord IS NULL OR d.ord = ${ordinalOf('r.file', 'r.line')})`;
}
