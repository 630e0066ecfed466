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
import type { LakeWork } from './lake-finder.js';
import {
  disposeAll,
  fetchUnits,
  type LakeUnit,
  listUnits,
  type UnitCopy,
  unitName,
} from './lake-units.js';
import { type ModelTable, type PrivacyModel, readModel } from './model.js';
import type { Needles } from './needles.js';
import { bySchema, type SameColumns } from './parquet-groups.js';
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
  await verifyLake(work, model, needles, wanted, result);
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

const anyOf = (parts: readonly string[]): string =>
  parts.length === 0 ? 'false' : `(${parts.join(' OR ')})`;
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

/** Few texts are looked for one by one, which is much faster than a join. */
const fewTexts = 20;

const groupFiles = 2000;
const groupBytes = 2e9;

/** No more at once than the local disk should hold where the lake is not local. */
function slices(units: readonly LakeUnit[]): LakeUnit[][] {
  const all: LakeUnit[][] = [];
  let bytes = 0;
  for (const unit of units) {
    const last = all.at(-1);
    if (last === undefined || last.length >= groupFiles || bytes > groupBytes) {
      all.push([unit]);
      bytes = unit.bytes;
    } else {
      last.push(unit);
      bytes += unit.bytes;
    }
  }
  return all;
}

/** The part of the lake; see `verifyErasure`. */
export async function verifyLake(
  work: Omit<LakeWork, 'model'>,
  model: PrivacyModel,
  needles: Needles,
  wanted: Wanted,
  result: Verification,
): Promise<void> {
  const scratch = await mkdtemp(join(work.scratch, 'verify-'));
  const { memoryLimit, threads } = work.config.pipeline;
  const engine = await openEngine({ memoryLimit, threads, scratch, signal: work.job.signal });
  try {
    for (const name of ['ids', 'addresses', 'mentioned', 'numbers'] as const) {
      await engine.run(`CREATE TABLE ${name} (value VARCHAR)`);
      for (const [index, value] of wanted[name].entries()) {
        await engine.run(`INSERT INTO ${name} VALUES ($1)`, [value]);
        if (index < fewTexts) await engine.run(`SET VARIABLE ${name}_${index} = $1`, [value]);
      }
    }
    const again = { config: work.config, wanted, result };
    const all = await listUnits(work.lake);
    const units = all.filter(({ key }) => key.endsWith('.parquet'));
    const tables = new Map<string, LakeUnit[]>();
    for (const unit of units) {
      const place = tableOfKey(unit.key);
      const name = place === undefined ? unit.key : `${place.layer}/${place.table}`;
      const own = tables.get(name) ?? [];
      tables.set(name, own);
      own.push(unit);
    }
    const groups = [...tables.values()].flatMap((own) => slices(own));
    for (const group of groups) {
      const copies = await fetchUnits(work.lake, group, scratch);
      try {
        const damaged = ({ unit }: UnitCopy) =>
          result.unread.push({ place: unitName(unit), why: 'it is no whole Parquet file' });
        for (const same of await bySchema(engine, copies, damaged)) {
          await readFilesAgain(engine, same, again);
        }
        result.filesRead += copies.length;
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

interface Again {
  config: Config;
  wanted: Wanted;
  result: Verification;
}

/** Reads files of the same table and columns in one statement; one by one when that fails. */
async function readFilesAgain(
  engine: Engine,
  { columns, copies }: SameColumns,
  again: Again,
): Promise<void> {
  const { config, wanted, result } = again;
  const texts = columns.filter(({ type }) => /VARCHAR|JSON|STRUCT|MAP|\[\]|BLOB/.test(type));
  if (texts.length === 0) return;
  const table = tableOfKey(copies[0]?.unit.key ?? '');
  const rule =
    table?.layer === 'bronze'
      ? ruleOf(config, config.source.schema, table.table)
      : layerRules[`${table?.layer}/${table?.table}`];
  const ids = texts.filter(({ name }) => rule === undefined || comparesIds(classOf(rule, name)));
  const as = ({ name, type }: { name: string; type: string }) =>
    type === 'VARCHAR' ? quoteName(name) : `CAST(${quoteName(name)} AS VARCHAR)`;
  // Conditions on several columns at once: no statistics of the file let a part of it be skipped.
  const whole = anyOf(ids.map((column) => wholeText(as(column), wanted)));
  const part = anyOf(texts.map((column) => withinText(as(column), wanted)));
  const byPath = new Map(copies.map((copy) => [copy.path, copy]));
  try {
    const rows = await engine.rows<{ file: string; found: number; mentioned: number }>(
      `SELECT file, count(*) FILTER (WHERE whole) AS found, count(*) FILTER (WHERE part AND NOT whole) AS mentioned
       FROM (SELECT "file name" AS file, coalesce(${whole}, false) AS whole, coalesce(${part}, false) AS part
             FROM ${parquetSource([...byPath.keys()], ["filename = 'file name'"])})
       WHERE whole OR part GROUP BY file`,
    );
    for (const { file, found, mentioned } of rows) {
      const copy = byPath.get(file);
      if (copy === undefined) continue;
      note(result.found, unitName(copy.unit), found);
      note(result.mentioned, unitName(copy.unit), mentioned);
    }
  } catch (error) {
    if (!isOperatorError(error) || error.code === 'INTERRUPTED') throw error;
    const [only, ...others] = copies;
    if (only !== undefined && others.length === 0) {
      const why = errorMessage(error).split('\n')[0] ?? '';
      result.unread.push({ place: unitName(only.unit), why });
      return;
    }
    for (const copy of copies) await readFilesAgain(engine, { columns, copies: [copy] }, again);
  }
}

const listOf = (name: 'ids' | 'addresses' | 'numbers', values: readonly string[]): string =>
  values.length > fewTexts
    ? `(SELECT value FROM ${name})`
    : `(${values.map((_value, index) => `getvariable('${name}_${index}')`).join(', ')})`;

/** Lower case takes longer than all else, and only texts with an @ hold an address. */
const ofAddress = (text: string, condition: string): string =>
  `CASE WHEN contains(${text}, '@') THEN ${condition} ELSE false END`;

const wholeText = (text: string, { ids, addresses }: Wanted): string =>
  anyOf([
    ...(ids.length === 0 ? [] : [`${text} IN ${listOf('ids', ids)}`]),
    ...(addresses.length === 0
      ? []
      : [ofAddress(text, `lower(${text}) IN ${listOf('addresses', addresses)}`)]),
  ]);

const withinText = (text: string, { mentioned, numbers }: Wanted): string =>
  anyOf([
    ...(numbers.length === 0 ? [] : [containsOne(text, 'numbers', numbers)]),
    ...(mentioned.length === 0
      ? []
      : [ofAddress(text, containsOne(`lower(${text})`, 'mentioned', mentioned))]),
  ]);

const containsOne = (
  text: string,
  name: 'mentioned' | 'numbers',
  values: readonly string[],
): string =>
  values.length > fewTexts
    ? `EXISTS (SELECT 1 FROM ${name} WHERE contains(${text}, ${name}.value))`
    : anyOf(values.map((_value, index) => `contains(${text}, getvariable('${name}_${index}'))`));
