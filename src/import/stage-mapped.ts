import { type Engine, literal, quoteName } from '../engine/session.js';
import { invalid, isOperatorError } from '../system/errors.js';
import type { Catalog, TableInfo } from './catalog.js';
import type { FramedFile } from './frame.js';
import { type Mapping, mappingColumns } from './mapping.js';
import { sourceStruct } from './reader.js';
import {
  assertAllRead,
  countByFile,
  countRows,
  keyTooLong,
  ordinal,
  ordinalFile,
  ordinalLine,
  quoteNames,
  type Rule,
  ruleColumns,
  type StagedImport,
  type StagedTable,
  takeRejects,
} from './staging.js';
import { columnCast, isText } from './types.js';

const records = 'mapped_records';
const kept = 'mapped_kept';

/**
 * Applies a mapping to framed files: rejects by its rules and by what the target tables demand,
 * folds records of equal key (the first one read stays), and stages the rows of each table.
 * Errors: `MAPPING_TARGET_UNKNOWN`, `MAPPING_FAILED`.
 */
export async function stageMapped(
  engine: Engine,
  mapping: Mapping,
  catalog: Catalog,
  files: readonly FramedFile[],
): Promise<StagedImport> {
  const targets = mapping.tables.map((entry) => ({ entry, info: target(mapping, entry, catalog) }));
  const rules = [...mappingRules(mapping), ...targets.flatMap(targetRules)];
  try {
    for (const [index, file] of files.entries()) {
      const select = recordsSelect(mapping, rules, file, index);
      await engine.run(
        index === 0 ? `CREATE TABLE ${records} AS ${select}` : `INSERT INTO ${records} ${select}`,
      );
    }
  } catch (error) {
    throw describeMappingError(error, mapping);
  }
  assertAllRead(await countByFile(engine, records, files.length), files);
  const rejected = await takeRejects(engine, records, files.length);
  const accepted = await countByFile(engine, `${records} WHERE rule IS NULL`, files.length);
  const folded = await foldRecords(engine, mapping, accepted);
  const tables: StagedTable[] = [];
  for (const { entry, info } of targets) {
    const columns = Object.keys(entry.columns);
    const name = `staged_${info.name}`;
    await engine.run(`CREATE TABLE ${quoteName(name)} AS ${tableSelect(entry, info)}`);
    tables.push({
      table: info,
      columns,
      select: `SELECT file, line, ${quoteNames(columns)} FROM ${quoteName(name)}`,
      rows: await countRows(engine, quoteName(name)),
      counts: info.name === mapping.record.table,
    });
  }
  return { tables, rejected, folded };
}

type Entry = Mapping['tables'][number];
interface Target {
  entry: Entry;
  info: TableInfo;
}

function target(mapping: Mapping, entry: Entry, catalog: Catalog): TableInfo {
  const info = catalog.tables.get(entry.table);
  const unknown = Object.keys(entry.columns).filter(
    (name) => !info?.columns.some((column) => column.name === name),
  );
  if (info === undefined || unknown.length > 0) {
    const what =
      info === undefined ? `table "${entry.table}"` : `column "${unknown[0]}" in "${entry.table}"`;
    throw invalid(
      'MAPPING_TARGET_UNKNOWN',
      `The format "${mapping.format}" writes to a ${what}, which schema "${catalog.schema}" does not have.`,
      { hint: 'Run `reviewops db init` to create the tables, or correct the mapping.' },
    );
  }
  if (entry.shared && !info.key.every((name) => name in entry.columns)) {
    throw invalid(
      'MAPPING_TARGET_UNKNOWN',
      `The format "${mapping.format}" merges rows of "${entry.table}" without giving its key (${info.key.join(', ')}).`,
      { hint: 'Add the key columns to the mapping.' },
    );
  }
  return info;
}

/** Source columns, then the values one on top of the other, then the first rule that holds. */
function recordsSelect(
  mapping: Mapping,
  rules: readonly Rule[],
  file: FramedFile,
  index: number,
): string {
  let from = sourceStruct(file, mappingColumns(mapping));
  const checks = [...sourceRules(file, mappingColumns(mapping)), ...rules];
  for (const [name, expression] of Object.entries(mapping.values)) {
    from = `(SELECT *, (${expression}) AS ${quoteName(name)} FROM ${from})`;
  }
  const first = ruleColumns(checks);
  const values = quoteNames(Object.keys(mapping.values));
  return `SELECT CAST(${index} AS INTEGER) AS file, line, ${values}, CAST(${first.rule} AS VARCHAR) AS rule, CAST(${first.reason} AS VARCHAR) AS reason FROM (SELECT *, ${first.number} AS rule_number FROM ${from})`;
}

/** What can be wrong with a record before any mapping. */
function sourceRules(file: FramedFile, columns: readonly string[]): Rule[] {
  if (file.header !== undefined) return [];
  const held = columns.map((name) => `contains(source.${quoteName(name)}, chr(0))`).join(' OR ');
  return [
    { rule: 'not_json', when: 'NOT json_valid(raw)', reason: literal('is not valid JSON') },
    {
      rule: 'not_an_object',
      when: "json_type(raw) <> 'OBJECT'",
      reason: literal('is JSON, but not an object'),
    },
    {
      rule: 'nul_character',
      when: `contains(raw, '\\u0000') AND (${held})`,
      reason: literal('holds the character U+0000, which no text column can'),
    },
  ];
}

const mappingRules = (mapping: Mapping): Rule[] =>
  mapping.rejects.map(({ rule, when, reason, value }) => ({
    rule,
    when,
    reason:
      value === undefined
        ? literal(reason)
        : `${literal(`${reason}: "`)} || left(coalesce(CAST(${value} AS VARCHAR), ''), 60) || '"'`,
  }));

/** NOT NULL, length and range of the target's columns, and what its indexes hold. */
function targetRules(target: Target): Rule[] {
  return [...columnRules(target), ...indexRules(target)];
}

/** A key that no index can hold would fail the whole import. */
function indexRules({ entry, info }: Target): Rule[] {
  return info.indexed.flatMap((names): Rule[] => {
    const texts = names.flatMap((name) => {
      const expression = entry.columns[name];
      const column = info.columns.find((candidate) => candidate.name === name);
      return expression === undefined || column === undefined || !isText(column)
        ? []
        : `CAST((${expression}) AS VARCHAR)`;
    });
    if (texts.length === 0) return [];
    const rule = keyTooLong(names.map((name) => `${info.name}.${name}`).join(', '), texts);
    if (entry.each === undefined) return [rule];
    const long = `lambda item: ${rule.when}`;
    return [{ ...rule, when: `len(list_filter(${quoteName(entry.each)}, ${long})) > 0` }];
  });
}

function columnRules({ entry, info }: Target): Rule[] {
  if (entry.each !== undefined) return [];
  const applies = entry.where === undefined ? '' : `(${entry.where}) AND `;
  return info.columns.flatMap((column): Rule[] => {
    const expression = entry.columns[column.name];
    if (expression === undefined) return [];
    const at = `${info.name}.${column.name}`;
    const text = `CAST((${expression}) AS VARCHAR)`;
    const { cast, what } = columnCast(column);
    const rules: Rule[] = [];
    if (column.notNull) {
      rules.push({
        rule: 'value_missing',
        when: `${applies}(${expression}) IS NULL`,
        reason: literal(`gives no ${at}`),
      });
    }
    if (column.maximumLength !== undefined) {
      rules.push({
        rule: 'too_long',
        when: `${applies}length(${text}) > ${column.maximumLength}`,
        reason: literal(`${at} takes at most ${column.maximumLength} characters`),
      });
    }
    if (cast(text) !== text) {
      rules.push({
        rule: 'wrong_type',
        when: `${applies}(${expression}) IS NOT NULL AND (${cast(text)}) IS NULL`,
        reason: literal(`what it gives for ${at} is not ${what}`),
      });
    }
    return rules;
  });
}

/** Keeps the first record of each key; returns how many others there were, by source. */
async function foldRecords(
  engine: Engine,
  mapping: Mapping,
  accepted: readonly number[],
): Promise<number[]> {
  await engine.run(
    `CREATE TABLE ${kept} AS SELECT min(${ordinal}) AS ord FROM ${records} WHERE rule IS NULL GROUP BY ${quoteName(mapping.record.key)}`,
  );
  const keptByFile = await countByFile(
    engine,
    `(SELECT ${ordinalFile('ord')} AS file FROM ${kept})`,
    accepted.length,
  );
  const condition =
    keptByFile.reduce((sum, count) => sum + count, 0) ===
    accepted.reduce((sum, count) => sum + count, 0)
      ? 'rule IS NULL'
      : `rule IS NULL AND ${ordinal} IN (SELECT ord FROM ${kept})`;
  await engine.run(`CREATE VIEW mapped_loaded AS SELECT * FROM ${records} WHERE ${condition}`);
  return accepted.map((count, index) => count - (keptByFile[index] ?? 0));
}

function tableSelect(entry: Entry, info: TableInfo): string {
  const typed = Object.entries(entry.columns).map(([name, expression]) => {
    const column = info.columns.find((candidate) => candidate.name === name);
    const text = `CAST((${expression}) AS VARCHAR)`;
    return { name, value: column === undefined ? text : columnCast(column).cast(text) };
  });
  const columns = typed.map(({ name, value }) => `${value} AS ${quoteName(name)}`).join(', ');
  const from =
    entry.each === undefined
      ? 'mapped_loaded'
      : `(SELECT *, unnest(list_distinct(${quoteName(entry.each)})) AS item FROM mapped_loaded)`;
  const filter =
    entry.where ?? (entry.each === undefined ? 'true' : "item IS NOT NULL AND item <> ''");
  const rows = `SELECT file, line, ${columns} FROM ${from} WHERE ${filter}`;
  if (!entry.shared) return rows;
  const merged = Object.keys(entry.columns).map((name) =>
    info.key.includes(name)
      ? quoteName(name)
      : // The first value that is there, in the order of reading.
        `arg_min(${quoteName(name)}, ord) FILTER (WHERE ${quoteName(name)} IS NOT NULL) AS ${quoteName(name)}`,
  );
  return `SELECT ${ordinalFile('min(ord)')} AS file, ${ordinalLine('min(ord)')} AS line, ${merged.join(', ')} FROM (SELECT *, ${ordinal} AS ord FROM (${rows})) GROUP BY ${quoteNames(info.key)}`;
}

function describeMappingError(error: unknown, mapping: Mapping): unknown {
  if (!isOperatorError(error) || error.code !== 'ENGINE_FAILED') return error;
  if (!/(Binder|Parser|Catalog|Conversion|Invalid Input) Error/.test(error.message)) return error;
  return invalid(
    'MAPPING_FAILED',
    `An expression of the mapping "${mapping.format}" fails: ${error.message.replace(/^The query engine failed: /, '')}`,
    { hint: 'docs/import.md lists what expressions can use.', cause: error },
  );
}
