import { mkdir, stat } from 'node:fs/promises';
import { type Engine, fileLiteral, literal, quoteName } from './session.js';

/**
 * Parquet files as the source of a query. The `batch=` in a lake's paths is no column: without
 * saying so, the engine would add one.
 */
export const parquetSource = (paths: readonly string[], options: readonly string[] = []): string =>
  `read_parquet([${paths.map(fileLiteral).join(', ')}], ${['hive_partitioning = false', ...options].join(', ')})`;

/** `type` is the engine's. */
export interface ParquetColumn {
  name: string;
  type: string;
}

export interface ParquetDescription {
  columns: ParquetColumn[];
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

/** Writes the rows of a query to one Parquet file, and tells what it holds. */
export async function writeParquet(
  engine: Engine,
  select: string,
  path: string,
  rangeColumns: readonly ParquetColumn[] = [],
): Promise<ParquetExtent> {
  const [file] = await writeFiles(engine, select, path, rangeColumns);
  if (file === undefined) throw new Error(`The query engine wrote no file ${path}.`);
  return file;
}

/**
 * Writes the rows of a query to a directory, in files of about `fileSize` (such as `256MB`, of
 * decoded data), so that no later reader has to take the whole table at once.
 *
 * @returns the files in order; one empty file when the query has no rows
 */
export async function writeParquetParts(
  engine: Engine,
  select: string,
  directory: string,
  { fileSize, rangeColumns = [] }: { fileSize: string; rangeColumns?: readonly ParquetColumn[] },
): Promise<(ParquetExtent & { path: string })[]> {
  await mkdir(directory, { recursive: true });
  const files = await writeFiles(
    engine,
    select,
    directory,
    rangeColumns,
    `, FILE_SIZE_BYTES '${fileSize}', OVERWRITE_OR_IGNORE`,
  );
  const order = new Intl.Collator('en', { numeric: true });
  return files.sort((a, b) => order.compare(a.path, b.path));
}

/** How much a Parquet file holds, and between which values. */
export type ParquetExtent = Pick<ParquetDescription, 'rows' | 'bytes' | 'ranges'>;

interface WrittenFile {
  filename: string;
  count: number;
  file_size_bytes: number;
  /** By quoted name; values as text. */
  column_statistics: { key: string; value: { key: string; value: string }[] }[];
}

async function writeFiles(
  engine: Engine,
  select: string,
  path: string,
  rangeColumns: readonly ParquetColumn[],
  options = '',
): Promise<(ParquetExtent & { path: string })[]> {
  const written = await engine.rows<WrittenFile>(
    `COPY (${select}) TO ${literal(path)} (FORMAT parquet, ${compression}, RETURN_STATS${options})`,
  );
  return Promise.all(
    written.map(async ({ filename, count, file_size_bytes, column_statistics }) => {
      const statistics = new Map(column_statistics.map(({ key, value }) => [key, value]));
      const ranges: ParquetExtent['ranges'] = {};
      const untold: string[] = [];
      const texts: string[] = [];
      for (const { name, type } of rangeColumns) {
        const range = toldRange(type, statistics.get(quoteName(name)));
        if (range === undefined) untold.push(name);
        else ranges[name] = range;
        if (range?.max != null && type === 'VARCHAR') texts.push(name);
      }
      untold.push(...(await shortened(engine, filename, texts)));
      if (untold.length > 0) {
        Object.assign(ranges, (await measureParquet(engine, filename, untold)).ranges);
      }
      return { path: filename, rows: count, bytes: file_size_bytes, ranges };
    }),
  );
}

/** Types whose smallest and largest values the writer tells in the words of a cast to text. */
const toldTypes =
  /^(?:TINYINT|SMALLINT|INTEGER|BIGINT|DECIMAL\([^()]*\)|VARCHAR|UUID|DATE|TIMESTAMP(?: WITH TIME ZONE)?)$/;

/** Undefined when the writer does not tell: it gives up on long texts. */
function toldRange(
  type: string,
  statistics: WrittenFile['column_statistics'][number]['value'] = [],
): { min: string | null; max: string | null } | undefined {
  const { min, max, null_count, num_values } = Object.fromEntries(
    statistics.map(({ key, value }) => [key, value]),
  );
  if (num_values !== undefined && null_count === num_values) return { min: null, max: null };
  if (min === undefined || max === undefined || !toldTypes.test(type)) return undefined;
  return { min, max };
}

/** Those of the text columns of which the writer told no value, but a bound: of long texts it keeps the start. */
async function shortened(engine: Engine, path: string, columns: string[]): Promise<string[]> {
  if (columns.length === 0) return [];
  const rows = await engine.rows<{ name: string }>(
    `SELECT path_in_schema AS name FROM parquet_metadata(${fileLiteral(path)})
     WHERE path_in_schema IN (${columns.map(literal).join(', ')})
     GROUP BY name HAVING NOT bool_and(coalesce(min_is_exact AND max_is_exact, false))`,
  );
  return rows.map(({ name }) => name);
}

/** Measures a file that has the columns. */
async function measureParquet(
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

/** The columns that a query has. */
export const describeQuery = (engine: Engine, select: string): Promise<ParquetColumn[]> =>
  engine.rows(`SELECT column_name AS name, column_type AS type FROM (DESCRIBE ${select})`);

/** Describes a Parquet file; of the columns asked for, those that it has. */
export async function describeParquet(
  engine: Engine,
  path: string,
  rangeColumns: readonly string[] = [],
): Promise<ParquetDescription> {
  const columns = await describeQuery(engine, `SELECT * FROM ${parquetSource([path])}`);
  const present = rangeColumns.filter((name) => columns.some((column) => column.name === name));
  return { columns, ...(await measureParquet(engine, path, present)) };
}
