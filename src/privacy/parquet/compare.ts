import { open, rm } from 'node:fs/promises';
import { parquetSource } from '../../engine/parquet.js';
import { fileField } from '../../engine/parquet-footer.js';
import type { Engine } from '../../engine/session.js';
import { sumsOf } from '../parquet-engine.js';
import { type GroupPlan, rawNames, requireEditable, type Taken, writeRaw } from './edit.js';
import { columnField, columnOf, groupField, type ParquetFile, readParquetFile } from './file.js';
import { sameBytes } from './sink.js';

/** Of compressed row groups that are compared at once, so that copies of them stay small. */
const atOnce = 256e6;

/** An edited row group before and after. */
interface Pair {
  before: number;
  after: number;
  plan: Exclude<GroupPlan, 'take' | 'leave'>;
  rows: number;
  bytes: number;
}

/**
 * Whether an edited file holds what it should: what was taken over, byte for byte; what was edited,
 * value for value, as the engine reads it, which shares nothing with what wrote it. Footers must be
 * alike in schema and metadata.
 *
 * @throws FormatProblem when the new file cannot be taken apart
 */
export async function compareEdited(
  engine: Engine,
  work: { source: ParquetFile; to: string; plans: readonly GroupPlan[]; taken: readonly Taken[] },
): Promise<boolean> {
  const { source, to, plans } = work;
  const handle = await open(to);
  try {
    const target = await readParquetFile(handle);
    await requireEditable(target);
    if (!sameFooter(source, target)) return false;
    for (const { from, to: at, bytes } of work.taken) {
      const places = [
        { handle: source.handle, start: from },
        { handle, start: at },
      ] as const;
      if (!(await sameBytes(...places, bytes))) return false;
    }
    for (const batch of batches(pairsOf(source, plans))) {
      if (!(await sameValues(engine, { source, target, scratch: to, batch }))) return false;
    }
    return true;
  } finally {
    await handle.close();
  }
}

/** All but the row groups and the number of rows. */
function sameFooter(source: ParquetFile, target: ParquetFile): boolean {
  const rest = ({ metadata }: ParquetFile): Buffer => {
    const copy = metadata.copy();
    copy.remove(fileField.rows, fileField.groups);
    return copy.encode();
  };
  return rest(source).equals(rest(target));
}

function pairsOf({ metadata }: ParquetFile, plans: readonly GroupPlan[]): Pair[] {
  const pairs: Pair[] = [];
  let after = 0;
  for (const [before, group] of metadata.structs(fileField.groups).entries()) {
    const plan = plans[before] ?? 'take';
    if (plan === 'leave') continue;
    if (plan !== 'take') {
      const bytes = group
        .structs(groupField.columns)
        .reduce((sum, chunk) => sum + columnOf(chunk).number(columnField.compressed), 0);
      pairs.push({ before, after, plan, rows: group.number(groupField.rows), bytes });
    }
    after += 1;
  }
  return pairs;
}

function batches(pairs: readonly Pair[]): Pair[][] {
  const all: Pair[][] = [];
  let bytes = 0;
  for (const pair of pairs) {
    const last = all.at(-1);
    if (last === undefined || bytes + pair.bytes > atOnce) {
      all.push([pair]);
      bytes = pair.bytes;
    } else {
      last.push(pair);
      bytes += pair.bytes;
    }
  }
  return all;
}

async function sameValues(
  engine: Engine,
  work: { source: ParquetFile; target: ParquetFile; scratch: string; batch: readonly Pair[] },
): Promise<boolean> {
  const { source, target, scratch, batch } = work;
  const [before, after] = [`${scratch}.before`, `${scratch}.after`];
  try {
    await writeRaw(source, before, new Set(batch.map((pair) => pair.before)));
    await writeRaw(target, after, new Set(batch.map((pair) => pair.after)));
    await markGone(engine, batch);
    const expected = await sumsOf(engine, wanted(source, before, batch[0]?.plan.columns));
    return expected === (await sumsOf(engine, `SELECT * FROM ${parquetSource([after])}`));
  } finally {
    await rm(before, { force: true });
    await rm(after, { force: true });
  }
}

const valuesAtOnce = 5000;

/** Says to the engine which rows of the copy are the person's. */
async function markGone(engine: Engine, batch: readonly Pair[]): Promise<void> {
  await engine.run('CREATE OR REPLACE TEMP TABLE gone_row (row BIGINT)');
  const rows: number[] = [];
  let first = 0;
  for (const { plan, rows: count } of batch) {
    for (const [row, gone] of plan.gone.entries()) if (gone === 1) rows.push(first + row);
    first += count;
  }
  for (let at = 0; at < rows.length; at += valuesAtOnce) {
    const some = rows.slice(at, at + valuesAtOnce).map((row) => `(${row})`);
    await engine.run(`INSERT INTO gone_row VALUES ${some.join(', ')}`);
  }
}

function wanted(
  source: ParquetFile,
  copy: string,
  columns: ReadonlySet<string> | undefined,
): string {
  const from = parquetSource([copy]);
  const gone = 'file_row_number IN (SELECT row FROM gone_row)';
  if (columns === undefined) return `SELECT * FROM ${from} WHERE NOT ${gone}`;
  const emptied = rawNames(source, columns).map(
    (name) => `CASE WHEN ${gone} THEN NULL ELSE ${name} END AS ${name}`,
  );
  return emptied.length === 0
    ? `SELECT * FROM ${from}`
    : `SELECT * REPLACE (${emptied.join(', ')}) FROM ${from}`;
}
