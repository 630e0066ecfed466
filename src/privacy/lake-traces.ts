import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.js';
import { parquetSource } from '../engine/parquet.js';
import { type Engine, literal, openEngine, quoteName } from '../engine/session.js';
import { tableOfKey } from '../lake/privacy-layout.js';
import { errorMessage, isOperatorError } from '../system/errors.js';
import { classOf, layerRules, ruleOf } from './classification.js';
import {
  disposeAll,
  fetchUnits,
  type LakeUnit,
  listUnits,
  slices,
  type UnitCopy,
} from './lake-units.js';
import type { LakeWork } from './lake-work.js';
import { bySchema, type SameColumns } from './parquet-groups.js';
import { namesPhoneInEngine } from './phone-texts.js';
import { anyOf, comparesIds, type TraceCounts } from './table-traces.js';
import type { Wanted } from './wanted.js';

/** What the files of a lake are read for, and who is told. */
export interface LakeReading {
  wanted: Wanted;
  /** Rows that are left out, as a condition on the columns of the files. */
  except?: string | undefined;
  found: (unit: LakeUnit, counts: TraceCounts) => void;
  unread: (unit: LakeUnit, why: string) => void;
}

/** Few texts are looked for one by one, which is much faster than a join. */
const fewTexts = 20;

/**
 * Reads every text of every Parquet file, old versions included, without the statistics of files
 * that would let parts be skipped.
 *
 * @returns how many files were read
 */
export async function readParquetTexts(
  work: Omit<LakeWork, 'model'>,
  reading: LakeReading,
): Promise<number> {
  const scratch = await mkdtemp(join(work.scratch, 'read-'));
  const { memoryLimit, threads } = work.config.pipeline;
  const engine = await openEngine({ memoryLimit, threads, scratch, signal: work.job.signal });
  try {
    await declareWanted(engine, reading.wanted);
    const tables = new Map<string, LakeUnit[]>();
    for (const unit of await listUnits(work.lake)) {
      if (!unit.key.endsWith('.parquet')) continue;
      const place = tableOfKey(unit.key);
      const name = place === undefined ? unit.key : `${place.layer}/${place.table}`;
      tables.set(name, [...(tables.get(name) ?? []), unit]);
    }
    let files = 0;
    for (const group of [...tables.values()].flatMap((own) => slices(own, (unit) => unit))) {
      const copies = await fetchUnits(work.lake, group, scratch);
      try {
        const damaged = ({ unit }: UnitCopy) => reading.unread(unit, 'it is no whole Parquet file');
        for (const same of await bySchema(engine, copies, damaged)) {
          await readSame(engine, same, work.config, reading);
        }
        files += copies.length;
      } finally {
        await disposeAll(copies);
      }
    }
    return files;
  } finally {
    await engine.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Makes what is looked for available to `readSame`, in place of what was before. */
export async function declareWanted(engine: Engine, wanted: Wanted): Promise<void> {
  for (const name of ['ids', 'addresses', 'mentioned', 'numbers', 'words', 'phones'] as const) {
    await engine.run(`CREATE OR REPLACE TABLE ${name} (value VARCHAR)`);
    for (const [index, value] of wanted[name].entries()) {
      await engine.run(`INSERT INTO ${name} VALUES ($1)`, [value]);
      if (index < fewTexts) await engine.run(`SET VARIABLE ${name}_${index} = $1`, [value]);
    }
  }
}

/** Reads files of the same table and columns in one statement; one by one when that fails. */
export async function readSame(
  engine: Engine,
  { columns, copies }: SameColumns,
  config: Config,
  reading: LakeReading,
): Promise<void> {
  const { wanted, except, found, unread } = reading;
  const texts = columns.filter(({ type }) => /VARCHAR|JSON|STRUCT|MAP|\[\]|BLOB/.test(type));
  if (texts.length === 0) return;
  const key = copies[0]?.unit.key ?? '';
  const classes = texts.map(({ name }) => classIn(config, key, name));
  const ids = texts.filter((_text, index) => comparesIds(classes[index]));
  const people = texts.filter((_text, index) => classes[index] !== 'none');
  const free = texts.filter((_text, index) => classes[index] === 'free-text');
  const as = ({ name, type }: { name: string; type: string }) =>
    type === 'VARCHAR' ? quoteName(name) : `CAST(${quoteName(name)} AS VARCHAR)`;
  // Conditions on several columns at once: no statistics of the file let a part of it be skipped.
  const whole = anyOf(ids.map((column) => wholeText(as(column), wanted)));
  const part = anyOf([
    ...texts.map((column) => withinText(as(column), wanted)),
    ...people.map((column) => phoneIn(as(column), wanted)),
    ...free.map((column) => wholeText(as(column), wanted)),
  ]);
  const byPath = new Map(copies.map((copy) => [copy.path, copy]));
  try {
    const rows = await engine.rows<{ file: string; found: number; mentioned: number }>(
      `SELECT file, count(*) FILTER (WHERE whole) AS found, count(*) FILTER (WHERE part AND NOT whole) AS mentioned
       FROM (SELECT "file name" AS file, coalesce(${whole}, false) AS whole, coalesce(${part}, false) AS part
             FROM ${parquetSource([...byPath.keys()], ["filename = 'file name'"])}
             WHERE ${except === undefined ? 'true' : `NOT coalesce(${except}, false)`})
       WHERE whole OR part GROUP BY file`,
    );
    for (const { file, ...counts } of rows) {
      const copy = byPath.get(file);
      if (copy !== undefined) found(copy.unit, counts);
    }
  } catch (error) {
    if (!isOperatorError(error) || error.code === 'INTERRUPTED') throw error;
    const [only, ...others] = copies;
    if (only !== undefined && others.length === 0) {
      unread(only.unit, errorMessage(error).split('\n')[0] ?? '');
      return;
    }
    for (const copy of copies) await readSame(engine, { columns, copies: [copy] }, config, reading);
  }
}

function classIn(config: Config, key: string, column: string) {
  const place = tableOfKey(key);
  const rule =
    place?.layer === 'bronze'
      ? ruleOf(config, config.source.schema, place.table)
      : layerRules[`${place?.layer}/${place?.table}`];
  return rule === undefined ? undefined : classOf(rule, column);
}

const listOf = (name: 'ids' | 'addresses', values: readonly string[]): string =>
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

const withinText = (text: string, { mentioned, numbers, words }: Wanted): string =>
  anyOf([
    ...(numbers.length === 0 ? [] : [containsOne(text, 'numbers', numbers)]),
    ...(words.length === 0 ? [] : [containsOne(text, 'words', words, isWord)]),
    ...(mentioned.length === 0
      ? []
      : [ofAddress(text, containsOne(`lower(${text})`, 'mentioned', mentioned))]),
  ]);

const phoneIn = (text: string, { phones }: Wanted): string =>
  phones.length === 0
    ? 'false'
    : namesPhoneInEngine(text, (joined) => containsOne(joined, 'phones', phones));

const contains = (text: string, value: string): string => `contains(${text}, ${value})`;

/**
 * Only where the text holds it at all, which is much faster to see, the pattern is looked for. It is
 * made of the row for that: a constant one would be compiled for each column before any row is read.
 */
const isWord = (text: string, value: string): string => {
  const edge = literal('[^\\p{L}\\p{N}_]');
  const pattern = `'(^|' || ${edge} || ')' || regexp_escape(${value}) || '($|' || ${edge} || ')' || left(${text}, 0)`;
  return `CASE WHEN contains(${text}, ${value}) THEN regexp_matches(${text}, ${pattern}) ELSE false END`;
};

const containsOne = (
  text: string,
  name: 'mentioned' | 'numbers' | 'words' | 'phones',
  values: readonly string[],
  condition = contains,
): string =>
  values.length > fewTexts
    ? `EXISTS (SELECT 1 FROM ${name} WHERE ${condition(text, `${name}.value`)})`
    : anyOf(values.map((_value, index) => condition(text, `getvariable('${name}_${index}')`)));
