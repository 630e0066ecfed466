import { open, rm } from 'node:fs/promises';
import { parquetSource } from '../engine/parquet.js';
import { fileField } from '../engine/parquet-footer.js';
import type { Engine } from '../engine/session.js';
import { FormatProblem } from '../engine/thrift.js';
import { refused } from '../system/errors.js';
import { hashFile } from '../system/hash-file.js';
import { compareEdited } from './parquet/compare.js';
import { type GroupPlan, requireEditable, requireNullable, writeEdited } from './parquet/edit.js';
import {
  columnField,
  columnOf,
  groupField,
  type ParquetFile,
  readParquetFile,
} from './parquet/file.js';
import { mismatch, type Rewrite, rewriteByEngine } from './parquet-engine.js';

export interface Rewritten {
  rowsBefore: number;
  rowsAfter: number;
  bytes: number;
  sha256: string;
}

/**
 * Why a file cannot be rewritten without loss; undefined when it can.
 *
 * @param emptied which of the top-level columns are to become null; undefined when rows go
 */
export async function fidelityProblem(
  path: string,
  emptied?: (columns: readonly string[]) => readonly string[],
): Promise<string | undefined> {
  const handle = await open(path);
  try {
    const file = await readParquetFile(handle);
    requireOwnNumbers(file);
    await requireEditable(file);
    const columns = [...new Set(file.leaves.map(({ top }) => top))];
    if (emptied !== undefined) requireNullable(file.leaves, new Set(emptied(columns)));
    return undefined;
  } catch (error) {
    if (isProblemOfFile(error)) return problemText(error);
    throw error;
  } finally {
    await handle.close();
  }
}

/** Reading past the end of a page is a defect of the page. */
const isProblemOfFile = (error: unknown): error is Error =>
  error instanceof FormatProblem || error instanceof RangeError;

const problemText = (error: Error): string =>
  error instanceof FormatProblem ? error.message : 'a page of it is damaged';

/** The engine numbers rows in a column of this name. */
const numbers = 'file_row_number';

function requireOwnNumbers({ leaves }: ParquetFile): void {
  if (!leaves.some(({ top }) => top.toLowerCase() === numbers)) return;
  throw new FormatProblem(`it has a column ${numbers}, which hides the numbers of its rows`);
}

/**
 * Writes a file again without the rows of the person, in the same order, form and codec, and
 * compares what it wrote with what should be there: every value of every row. Row groups without
 * the person are taken over byte for byte.
 *
 * @throws FILE_NOT_REWRITABLE (exit 3), REWRITE_MISMATCH (exit 1)
 */
export async function rewriteParquet(engine: Engine, work: Rewrite): Promise<Rewritten> {
  const handle = await open(work.from);
  try {
    const file = await readParquetFile(handle);
    requireOwnNumbers(file);
    const rowsBefore = file.metadata.number(fileField.rows);
    const gone = await personRows(engine, work);
    const gap = { before: rowsBefore, gone: work.rows, after: rowsBefore - gone.length };
    if (gone.length !== work.rows) throw mismatch(gap);
    const plans = planGroups(file, gone, work.redact);
    const quicker = mostChanges(file, plans) && (await rewriteByEngine(engine, work));
    const rowsAfter = work.redact === undefined ? rowsBefore - gone.length : rowsBefore;
    if (!quicker) {
      await rm(work.to, { force: true });
      await requireEditable(file);
      if (work.redact !== undefined) requireNullable(file.leaves, new Set(work.redact));
      const { rows, taken } = await writeEdited(file, work.to, (group) => plans[group] ?? 'take');
      const same = await compareEdited(engine, { source: file, to: work.to, plans, taken });
      if (rows !== rowsAfter || !same) throw mismatch({ ...gap, after: rows });
    }
    return { rowsBefore, rowsAfter, ...(await hashFile(work.to)) };
  } catch (error) {
    if (isProblemOfFile(error)) throw notRewritable(work.from, problemText(error));
    throw error;
  } finally {
    await handle.close();
  }
}

/** Which rows of the file are the person's, in order. */
async function personRows(engine: Engine, { from, condition }: Rewrite): Promise<Float64Array> {
  const rows = await engine.rows<{ row: number }>(
    `SELECT ${numbers} AS row FROM ${parquetSource([from])} WHERE coalesce(${condition}, false)`,
  );
  return Float64Array.from(rows, ({ row }) => row).sort();
}

function planGroups(
  { metadata }: ParquetFile,
  gone: Float64Array,
  redact: readonly string[] | undefined,
): GroupPlan[] {
  let [first, next] = [0, 0];
  return metadata.structs(fileField.groups).map((group) => {
    const rows = group.number(groupField.rows);
    const start = next;
    while (next < gone.length && (gone[next] ?? 0) < first + rows) next += 1;
    const own = gone.subarray(start, next);
    const before = first;
    first += rows;
    if (own.length === 0) return 'take';
    if (own.length === rows && redact === undefined) return 'leave';
    const marks = new Uint8Array(rows);
    for (const row of own) marks[row - before] = 1;
    return redact === undefined
      ? { gone: marks, how: 'delete', columns: undefined }
      : { gone: marks, how: 'empty', columns: new Set(redact) };
  });
}

const largeEdit = 16e6;
const largeShare = 0.25;

/** Pages are taken apart on one core; where most have to be, the engine's many are quicker. */
function mostChanges({ metadata, bytes }: ParquetFile, plans: readonly GroupPlan[]): boolean {
  const edited = metadata
    .structs(fileField.groups)
    .filter((_group, index) => plans[index] !== 'take')
    .flatMap((group) => group.structs(groupField.columns))
    .reduce((sum, chunk) => sum + columnOf(chunk).number(columnField.compressed), 0);
  return edited > largeEdit && edited > bytes * largeShare;
}

const notRewritable = (path: string, why: string) =>
  refused('FILE_NOT_REWRITABLE', `${path} cannot be rewritten without loss: ${why}.`, {
    hint: 'It was left as it is. Make it again from its source, or delete it.',
  });
