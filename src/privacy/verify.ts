import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.js';
import type { DatabaseClient } from '../database/client.js';
import { quoteIdentifier, quoteTable } from '../database/identifiers.js';
import { parquetSource } from '../engine/parquet.js';
import { type Engine, openEngine, quoteName } from '../engine/session.js';
import { tableOfKey } from '../lake/privacy-layout.js';
import { errorMessage, isOperatorError } from '../system/errors.js';
import { classOf, layerRules, ruleOf } from './classification.js';
import { conditionFor } from './database-finder.js';
import { type DiscoveryWork, inDatabase } from './erasure-plan.js';
import { disposeAll, fetchUnits, type LakeUnit, listUnits, unitName } from './lake-units.js';
import { type ModelTable, type PrivacyModel, readModel } from './model.js';
import type { Needles } from './needles.js';
import { scanText, textFormat, textShape } from './text-files.js';
import { isOwnDocument, type Wanted, wantedOf } from './wanted.js';

/** Rows that still hold an identifier of the person. */
export interface Trace {
  /** `amazon.review`, or a key of the lake, with its version where it is an old one. */
  place: string;
  rows: number;
}

export interface Verification {
  /** A whole value is an identifier: the erasure is not done. */
  found: Trace[];
  /** An identifier stands within somebody else's text: a case for a person. */
  mentioned: Trace[];
  /** What could not be read. */
  unread: { place: string; why: string }[];
  tablesRead: number;
  filesRead: number;
}

/**
 * Reads everything again, in another way than the search did: every text of every table and file,
 * old versions included, without statistics of files that would let parts be skipped.
 */
export async function verifyErasure(work: DiscoveryWork, needles: Needles): Promise<Verification> {
  const result: Verification = {
    found: [],
    mentioned: [],
    unread: [],
    tablesRead: 0,
    filesRead: 0,
  };
  const wanted = wantedOf(needles, work.pseudonymKey);
  const model = await inDatabase(work, 'gdpr verify', async (client) => {
    const found = await readModel(client, work.config);
    const { tables } = found;
    for (const table of tables) await readTable(client, table, needles, wanted, result);
    await readStatistics(client, tables, wanted, result);
    return found;
  });
  await readLake(work, model, needles, wanted, result);
  return result;
}

/** Whether a column's whole values are compared with ids: numbers of other things may be equal. */
const comparesIds = (dataClass: string | undefined): boolean => dataClass !== 'none';

async function readTable(
  client: DatabaseClient,
  table: ModelTable,
  needles: Needles,
  { exact, within }: Wanted,
  result: Verification,
): Promise<void> {
  const texts = table.columns.filter(({ typeName }) => isTextual(typeName));
  const ids = texts.filter((column) => comparesIds(column.class));
  if (texts.length === 0) return;
  result.tablesRead += 1;
  const as = ({ name }: { name: string }) => `lower(${quoteIdentifier(name)}::text)`;
  const kept = table.rows === 'keep' ? conditionFor(table, needles) : undefined;
  const values: unknown[] = [...(kept?.values ?? [])];
  const bind = (value: unknown): string => `$${values.push(value)}`;
  const whole =
    ids.length === 0
      ? 'false'
      : anyOf(ids.map((column) => `${as(column)} = ANY (${bind(exact)}::text[])`));
  const part = `EXISTS (SELECT FROM unnest(${bind(within)}::text[]) AS x (needle) WHERE ${anyOf(texts.map((column) => `position(needle in ${as(column)}) > 0`))})`;
  const [row] = await client.query<{ found: string; mentioned: string }>(
    `SELECT count(*) FILTER (WHERE whole) AS found, count(*) FILTER (WHERE part AND NOT whole) AS mentioned
     FROM (SELECT coalesce(${whole}, false) AS whole, coalesce(${part}, false) AS part
           FROM ${quoteTable(table.schema, table.name)}
           WHERE ${kept === undefined ? 'true' : `NOT coalesce(${kept.sql}, false)`}) AS rows`,
    values,
  );
  note(result.found, table.id, Number(row?.found ?? 0));
  note(result.mentioned, table.id, Number(row?.mentioned ?? 0));
}

const anyOf = (parts: readonly string[]): string => `(${parts.join(' OR ')})`;
const isTextual = (type: string): boolean =>
  !/^(boolean|timestamp|date|time|double|real|bytea)/.test(type);

function note(list: Trace[], place: string, rows: number): void {
  if (rows > 0) list.push({ place, rows });
}

/** The planner's statistics show values until they are gathered anew. */
async function readStatistics(
  client: DatabaseClient,
  tables: readonly ModelTable[],
  { exact }: Wanted,
  result: Verification,
): Promise<void> {
  const numbersOfOthers = tables.flatMap(({ id, columns }) =>
    columns.filter((column) => !comparesIds(column.class)).map(({ name }) => `${id}.${name}`),
  );
  const rows = await client.query<{ place: string }>(
    `SELECT s.schemaname || '.' || s.tablename || '.' || s.attname AS place
     FROM pg_stats s
     JOIN pg_namespace n ON n.nspname = s.schemaname
     JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
     JOIN pg_class root ON root.oid = coalesce(pg_partition_root(c.oid)::oid, c.oid)
     JOIN pg_namespace of ON of.oid = root.relnamespace
     WHERE s.schemaname NOT IN ('pg_catalog', 'information_schema')
       AND of.nspname || '.' || root.relname || '.' || s.attname <> ALL ($2::text[])
       AND EXISTS (
         SELECT FROM unnest(coalesce(s.most_common_vals::text::text[], '{}') || coalesce(s.histogram_bounds::text::text[], '{}')) AS x (value)
         WHERE lower(value) = ANY ($1::text[]))`,
    [exact, numbersOfOthers],
  );
  for (const { place } of rows) note(result.found, `pg_stats of ${place}`, 1);
}

async function readLake(
  work: DiscoveryWork,
  model: PrivacyModel,
  needles: Needles,
  wanted: Wanted,
  result: Verification,
): Promise<void> {
  const scratch = await mkdtemp(join(work.scratch, 'verify-'));
  const { memoryLimit, threads } = work.config.pipeline;
  const engine = await openEngine({ memoryLimit, threads, scratch, signal: work.job.signal });
  try {
    await engine.run('CREATE TABLE exact (value VARCHAR)');
    await engine.run('CREATE TABLE within (value VARCHAR)');
    for (const [name, values] of Object.entries(wanted)) {
      for (const value of values as string[]) {
        await engine.run(`INSERT INTO ${name === 'exact' ? 'exact' : 'within'} VALUES ($1)`, [
          value,
        ]);
      }
    }
    const again = { config: work.config, wanted, result };
    const all = await listUnits(work.lake);
    const units = all.filter(({ key }) => key.endsWith('.parquet'));
    for (let at = 0; at < units.length; at += 500) {
      const copies = await fetchUnits(work.lake, units.slice(at, at + 500), scratch);
      try {
        for (const { unit, path } of copies) await readFileAgain(engine, unit, path, again);
      } finally {
        await disposeAll(copies);
      }
    }
    for (const unit of all) {
      const format = textFormat(unit.key);
      if (format === undefined || isOwnDocument(unit.key)) continue;
      const copies = await fetchUnits(work.lake, [unit], scratch);
      const shape = textShape(unit.key, model, work.config);
      const search = {
        format,
        shape,
        needles,
        exact: new Set(wanted.exact),
        within: wanted.within,
      };
      const { hits, mentions, problem } = await scanText(copies[0]?.path ?? '', unit.key, search);
      await disposeAll(copies);
      result.filesRead += 1;
      note(result.found, unitName(unit), hits);
      note(result.mentioned, unitName(unit), mentions);
      if (problem !== undefined) result.unread.push({ place: unitName(unit), why: problem });
    }
  } finally {
    await engine.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

async function readFileAgain(
  engine: Engine,
  unit: LakeUnit,
  path: string,
  { config, wanted: { within }, result }: { config: Config; wanted: Wanted; result: Verification },
): Promise<void> {
  const place = unitName(unit);
  try {
    const columns = await engine.rows<{ name: string; type: string }>(
      `SELECT column_name AS name, column_type AS type FROM (DESCRIBE SELECT * FROM ${parquetSource([path])})`,
    );
    const texts = columns.filter(({ type }) => /VARCHAR|JSON|STRUCT|MAP|\[\]|BLOB/.test(type));
    const table = tableOfKey(unit.key);
    const rule =
      table?.layer === 'bronze'
        ? ruleOf(config, config.source.schema, table.table)
        : layerRules[`${table?.layer}/${table?.table}`];
    const ids = texts.filter(({ name }) => rule === undefined || comparesIds(classOf(rule, name)));
    result.filesRead += 1;
    if (texts.length === 0) return;
    // Computed texts: no statistics of the file can let a part of it be skipped.
    const as = ({ name }: { name: string }) =>
      `lower(concat(CAST(${quoteName(name)} AS VARCHAR), ''))`;
    const whole =
      ids.length === 0
        ? 'false'
        : anyOf(ids.map((column) => `${as(column)} IN (SELECT value FROM exact)`));
    const part =
      within.length === 0
        ? 'false'
        : anyOf(
            texts.map(
              (column) =>
                `EXISTS (SELECT 1 FROM within WHERE contains(${as(column)}, within.value))`,
            ),
          );
    const [row] = await engine.rows<{ found: number; mentioned: number }>(
      `SELECT count(*) FILTER (WHERE whole) AS found, count(*) FILTER (WHERE part AND NOT whole) AS mentioned
       FROM (SELECT ${whole} AS whole, ${part} AS part FROM ${parquetSource([path])})`,
    );
    note(result.found, place, row?.found ?? 0);
    note(result.mentioned, place, row?.mentioned ?? 0);
  } catch (error) {
    if (!isOperatorError(error) || error.code === 'INTERRUPTED') throw error;
    result.unread.push({ place, why: errorMessage(error).split('\n')[0] ?? '' });
  }
}
