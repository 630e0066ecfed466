import { parquetSource } from '../engine/parquet.js';
import { type Engine, literal, quoteName } from '../engine/session.js';
import { failed } from '../system/errors.js';

export interface Rewrite {
  from: string;
  to: string;
  /** True for rows of the person; may be null. */
  condition: string;
  /** Columns that are emptied in these rows; undefined deletes the rows. */
  redact: readonly string[] | undefined;
  /** Rows of the person that there must be. */
  rows: number;
}

/** What a rewrite must leave as it is. */
interface Form {
  codec: string;
  rowGroupRows: number;
  rows: number;
  schema: unknown[];
  metadata: { key: string; value: string }[];
}

const codecs: Record<string, string> = {
  UNCOMPRESSED: 'uncompressed',
  SNAPPY: 'snappy',
  GZIP: 'gzip',
  ZSTD: 'zstd',
  BROTLI: 'brotli',
  LZ4_RAW: 'lz4_raw',
};

/** The form of a file that the engine itself wrote; undefined for what it would not write again. */
async function readForm(engine: Engine, path: string): Promise<Form | undefined> {
  const file = literal(path);
  const [footer] = await engine.rows<{ by: string | null; rows: number }>(
    `SELECT created_by AS by, num_rows AS rows FROM parquet_file_metadata(${file})`,
  );
  const found = await engine.rows<{ codec: string; rows: number }>(
    `SELECT compression AS codec, max(row_group_num_rows) AS rows FROM parquet_metadata(${file}) GROUP BY 1`,
  );
  const [first, ...others] = found;
  const codec = codecs[first?.codec ?? ''];
  if (footer?.by?.startsWith('DuckDB') !== true || codec === undefined || others.length > 0) {
    return undefined;
  }
  const schema = await engine.rows(
    `SELECT name, type, type_length, repetition_type, num_children, converted_type, scale, precision, field_id, logical_type
     FROM parquet_schema(${file}) ORDER BY column_id`,
  );
  const metadata = await engine.rows<{ key: string; value: string }>(
    `SELECT decode(key) AS key, decode(value) AS value FROM parquet_kv_metadata(${file}) ORDER BY 1`,
  );
  return { codec, rowGroupRows: Number(first?.rows), rows: footer.rows, schema, metadata };
}

function copyOptions({ codec, rowGroupRows, metadata }: Form): string {
  const options = [`FORMAT parquet`, `COMPRESSION ${codec}`, `ROW_GROUP_SIZE ${rowGroupRows}`];
  if (codec === 'zstd') options.push('COMPRESSION_LEVEL 1');
  options.push('DICTIONARY_SIZE_LIMIT 3000');
  if (metadata.length > 0) {
    const pairs = metadata.map(({ key, value }) => `${literal(key)}: ${literal(value)}`);
    options.push(`KV_METADATA {${pairs.join(', ')}}`);
  }
  return options.join(', ');
}

/**
 * Has the engine write a file of its own again without the rows of the person, in the same order,
 * form and codec, and compares what it wrote with what should be there: every value of every row.
 * On all cores, it is the quicker way where most of a file changes.
 *
 * @returns false when the engine does not write a file of the same form
 * @throws REWRITE_MISMATCH (exit 1)
 */
export async function rewriteByEngine(engine: Engine, work: Rewrite): Promise<boolean> {
  const form = await readForm(engine, work.from);
  if (form === undefined) return false;
  const wanted = wantedRows(parquetSource([work.from]), work);
  await engine.run(`COPY (${wanted}) TO ${literal(work.to)} (${copyOptions(form)})`);
  const after = await readForm(engine, work.to);
  if (after === undefined || !sameForm(form, after)) return false;
  const expected = await sumsOf(engine, wanted);
  const actual = await sumsOf(engine, `SELECT * FROM ${parquetSource([work.to])}`);
  const gone = work.redact === undefined ? work.rows : 0;
  if (expected !== actual || after.rows !== form.rows - gone) {
    throw mismatch({ before: form.rows, gone: work.rows, after: after.rows });
  }
  return true;
}

const sameForm = (before: Form, after: Form): boolean =>
  before.codec === after.codec &&
  JSON.stringify([before.schema, before.metadata]) ===
    JSON.stringify([after.schema, after.metadata]);

function wantedRows(source: string, { condition, redact }: Rewrite): string {
  if (redact === undefined)
    return `SELECT * FROM ${source} WHERE NOT coalesce(${condition}, false)`;
  const emptied = redact.map(
    (column) =>
      `CASE WHEN coalesce(${condition}, false) THEN NULL ELSE ${quoteName(column)} END AS ${quoteName(column)}`,
  );
  return `SELECT * REPLACE (${emptied.join(', ')}) FROM ${source}`;
}

/** What tells rows apart from others in any value: their number, and two sums of their hashes. */
export async function sumsOf(engine: Engine, select: string): Promise<string> {
  const rows = await engine.rows<Record<string, unknown>>(
    `SELECT count(*) AS rows, CAST(bit_xor(h) AS VARCHAR) AS crossed, CAST(sum(CAST(h AS HUGEINT)) AS VARCHAR) AS total
     FROM (SELECT hash(*COLUMNS(*)) AS h FROM (${select}))`,
  );
  return JSON.stringify(rows);
}

export const mismatch = (rows: { before: number; gone: number; after: number }) =>
  failed(
    'REWRITE_MISMATCH',
    `A file of ${rows.before} rows, ${rows.gone} of them to go, came out with ${rows.after} rows, or others. It was not stored.`,
    { hint: 'The file is untouched. Run it again; if it happens twice, report it as a bug.' },
  );
