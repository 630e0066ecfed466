import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Engine, fileLiteral, literal, quoteName } from './session.js';

/**
 * Parquet files as the source of a query. The `batch=` in a lake's paths is no column: without
 * saying so, the engine would add one.
 */
export const parquetSource = (paths: readonly string[], options: readonly string[] = []): string =>
  `read_parquet([${paths.map(fileLiteral).join(', ')}], ${['hive_partitioning = false', ...options].join(', ')})`;

export interface ParquetDescription {
  columns: { name: string; type: string }[];
  rows: number;
  bytes: number;
  /** Smallest and largest value of each asked column, as text; null where all values are null. */
  ranges: Record<string, { min: string | null; max: string | null }>;
}

/**
 * The fastest level of ZSTD: what the pipeline writes is read once or twice, and level 3 takes a
 * tenth more time for files 3 % smaller. Dictionaries end early: those of ids and texts, given up
 * only when full, would cost another tenth.
 */
const compression =
  'COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 122880, DICTIONARY_SIZE_LIMIT 3000';

/** Writes the rows of a query to one Parquet file. */
export async function writeParquet(engine: Engine, select: string, path: string): Promise<void> {
  await engine.run(`COPY (${select}) TO ${literal(path)} (FORMAT parquet, ${compression})`);
}

/**
 * Writes the rows of a query to a directory, in files of about `fileSize` (such as `256MB`, of
 * decoded data), so that no later reader has to take the whole table at once.
 *
 * @returns the files' paths, in order; one empty file when the query has no rows
 */
export async function writeParquetParts(
  engine: Engine,
  select: string,
  directory: string,
  fileSize: string,
): Promise<string[]> {
  await mkdir(directory, { recursive: true });
  await engine.run(
    `COPY (${select}) TO ${literal(directory)}
     (FORMAT parquet, ${compression}, FILE_SIZE_BYTES '${fileSize}', OVERWRITE_OR_IGNORE)`,
  );
  const names = (await readdir(directory)).filter((name) => name.endsWith('.parquet'));
  const order = new Intl.Collator('en', { numeric: true });
  return names.sort(order.compare).map((name) => join(directory, name));
}

/** How much a Parquet file holds, and between which values. */
export type ParquetExtent = Pick<ParquetDescription, 'rows' | 'bytes' | 'ranges'>;

/** Measures a file that has the columns. */
export async function measureParquet(
  engine: Engine,
  path: string,
  rangeColumns: readonly string[],
): Promise<ParquetExtent> {
  const extremes = rangeColumns.flatMap((name, index) => [
    `CAST(min(${quoteName(name)}) AS VARCHAR) AS min${index}`,
    `CAST(max(${quoteName(name)}) AS VARCHAR) AS max${index}`,
  ]);
  const [row] = await engine.rows<{ rows: number } & Record<string, string | null>>(
    `SELECT ${['count(*) AS rows', ...extremes].join(', ')} FROM ${parquetSource([path])}`,
  );
  const ranges = rangeColumns.map((name, index) => [
    name,
    { min: row?.[`min${index}`] ?? null, max: row?.[`max${index}`] ?? null },
  ]);
  return {
    rows: row?.rows ?? 0,
    bytes: (await stat(path)).size,
    ranges: Object.fromEntries(ranges),
  };
}

/** Describes a Parquet file; of the columns asked for, those that it has. */
export async function describeParquet(
  engine: Engine,
  path: string,
  rangeColumns: readonly string[] = [],
): Promise<ParquetDescription> {
  const columns = await engine.rows<{ name: string; type: string }>(
    `SELECT column_name AS name, column_type AS type FROM (DESCRIBE SELECT * FROM ${parquetSource([path])})`,
  );
  const present = rangeColumns.filter((name) => columns.some((column) => column.name === name));
  return { columns, ...(await measureParquet(engine, path, present)) };
}
