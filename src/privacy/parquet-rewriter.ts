import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { parquetSource } from '../engine/parquet.js';
import { type Engine, literal, quoteName } from '../engine/session.js';
import { failed, refused } from '../system/errors.js';
import { unwrittenExtras } from './parquet-extras.js';

/** What a rewrite must leave as it is. */
interface Form {
  createdBy: string;
  codec: string;
  rowGroupRows: number;
  rows: number;
  schema: SchemaRow[];
  metadata: { key: string; value: string }[];
}

interface SchemaRow {
  name: string;
  type: string | null;
  length: number | null;
  repetition: string | null;
  children: number | null;
  converted: string | null;
  scale: number | null;
  precision: number | null;
  field: number | null;
  logical: string | null;
}

const codecs: Record<string, string> = {
  UNCOMPRESSED: 'uncompressed',
  SNAPPY: 'snappy',
  GZIP: 'gzip',
  ZSTD: 'zstd',
  BROTLI: 'brotli',
  LZ4_RAW: 'lz4_raw',
};

/** @returns the form, or why a file of this form cannot be written again */
async function readForm(engine: Engine, path: string): Promise<Form | string> {
  const file = literal(path);
  const [footer] = await engine.rows<{ by: string | null; rows: number; encrypted: boolean }>(
    `SELECT created_by AS by, num_rows AS rows, encryption_algorithm IS NOT NULL AS encrypted FROM parquet_file_metadata(${file})`,
  );
  if (footer?.encrypted === true) return 'it is encrypted';
  const found = await engine.rows<{ codec: string; rows: number }>(
    `SELECT compression AS codec, max(row_group_num_rows) AS rows FROM parquet_metadata(${file}) GROUP BY 1`,
  );
  const [first, ...others] = found;
  if (others.length > 0)
    return `its columns are compressed differently (${found.map(({ codec }) => codec).join(', ')})`;
  const codec = codecs[first?.codec ?? 'ZSTD'];
  if (codec === undefined) return `its codec ${first?.codec} cannot be written`;
  const extras =
    footer?.by?.startsWith('DuckDB') === true ? undefined : await unwrittenExtras(path);
  if (extras !== undefined) return extras;
  const schema = await engine.rows<SchemaRow>(
    `SELECT name, type, type_length::INTEGER AS length, repetition_type AS repetition, num_children AS children,
            converted_type AS converted, scale, precision, field_id AS field, logical_type AS logical
     FROM parquet_schema(${file}) ORDER BY column_id`,
  );
  const metadata = await engine.rows<{ key: string; value: string }>(
    `SELECT decode(key) AS key, decode(value) AS value FROM parquet_kv_metadata(${file}) ORDER BY 1`,
  );
  return {
    createdBy: footer?.by ?? '',
    codec,
    rowGroupRows: Number(first?.rows ?? 122_880),
    rows: Number(footer?.rows ?? 0),
    schema: schema.slice(1),
    metadata,
  };
}

/** `null` logical types follow from the older annotation; equal meaning must have equal text. */
function meaning(row: SchemaRow): string {
  const { name, type, length, repetition, children, converted, scale, precision, field, logical } =
    row;
  const plain =
    (type === 'INT32' && converted === 'INT_32') || (type === 'INT64' && converted === 'INT_64');
  const annotation = logical ?? (plain ? null : (byConverted[converted ?? ''] ?? converted));
  const normal = plain && logical?.startsWith('IntType') === true ? null : annotation;
  const decimal = normal?.startsWith('DecimalType') === true || converted === 'DECIMAL';
  return JSON.stringify([
    name,
    type,
    type === 'FIXED_LEN_BYTE_ARRAY' ? length : null,
    repetition,
    children,
    normal,
    decimal ? [scale, precision] : null,
    field,
  ]);
}

const byConverted: Record<string, string> = {
  UTF8: 'StringType()',
  LIST: 'ListType()',
  MAP: 'MapType()',
  DATE: 'DateType()',
  ENUM: 'EnumType()',
  JSON: 'JsonType()',
  BSON: 'BsonType()',
};

/** What differs between two forms, in words; undefined when nothing does. */
function difference(before: Form, after: Form): string | undefined {
  if (before.schema.length !== after.schema.length) return 'its schema would change';
  for (const [index, row] of before.schema.entries()) {
    const now = after.schema[index];
    if (now === undefined || meaning(row) === meaning(now)) continue;
    const [then, next] = [meaning(row), meaning(now)];
    return `its column ${row.name} would change from ${then} to ${next}`;
  }
  if (JSON.stringify(before.metadata) !== JSON.stringify(after.metadata)) {
    return 'its key-value metadata would change';
  }
  if (before.rows > 0 && after.rows > 0 && before.codec !== after.codec) {
    return `its codec would change from ${before.codec} to ${after.codec}`;
  }
  return undefined;
}

function copyOptions({ codec, rowGroupRows, metadata, schema, createdBy }: Form): string {
  const options = [`FORMAT parquet`, `COMPRESSION ${codec}`, `ROW_GROUP_SIZE ${rowGroupRows}`];
  if (codec === 'zstd') options.push('COMPRESSION_LEVEL 1');
  if (createdBy.startsWith('DuckDB')) options.push('DICTIONARY_SIZE_LIMIT 3000');
  if (metadata.length > 0) {
    const pairs = metadata.map(({ key, value }) => `${literal(key)}: ${literal(value)}`);
    options.push(`KV_METADATA {${pairs.join(', ')}}`);
  }
  const topLevel = schema.filter(({ field }) => field !== null);
  if (topLevel.length > 0 && schema.every(({ children }) => children === null)) {
    const ids = topLevel.map(({ name, field }) => `${quoteName(name)}: ${field}`);
    options.push(`FIELD_IDS {${ids.join(', ')}}`);
  }
  return options.join(', ');
}

/**
 * Why a file cannot be rewritten without loss; undefined when it can. Tries it with no rows: what
 * the engine would make of the schema is seen, not assumed.
 */
export async function fidelityProblem(
  engine: Engine,
  path: string,
  scratchFile: string,
): Promise<string | undefined> {
  const form = await readForm(engine, path);
  if (typeof form === 'string') return form;
  try {
    await engine.run(
      `COPY (SELECT * FROM ${parquetSource([path])} LIMIT 0) TO ${literal(scratchFile)} (${copyOptions(form)})`,
    );
  } catch {
    return 'the engine cannot write its columns or metadata';
  }
  const empty = await readForm(engine, scratchFile);
  return typeof empty === 'string' ? empty : difference(form, empty);
}

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

export interface Rewritten {
  rowsBefore: number;
  rowsAfter: number;
  bytes: number;
  sha256: string;
}

/**
 * Writes a file again without the rows of the person, in the same order, form and codec, and
 * compares what it wrote with what should be there: every value of every row.
 *
 * @throws FILE_NOT_REWRITABLE (exit 3), REWRITE_MISMATCH (exit 1)
 */
export async function rewriteParquet(engine: Engine, work: Rewrite): Promise<Rewritten> {
  const form = await readForm(engine, work.from);
  if (typeof form === 'string') throw notRewritable(work.from, form);
  const source = parquetSource([work.from]);
  const wanted = wantedRows(source, work);
  await engine.run(`COPY (${wanted}) TO ${literal(work.to)} (${copyOptions(form)})`);
  const after = await readForm(engine, work.to);
  const problem = typeof after === 'string' ? after : difference(form, after);
  if (problem !== undefined || typeof after === 'string') {
    throw notRewritable(work.from, problem ?? 'it cannot be read back');
  }
  const [expected, actual] = [
    await sums(engine, wanted),
    await sums(engine, `SELECT * FROM ${parquetSource([work.to])}`),
  ];
  const gone = work.redact === undefined ? work.rows : 0;
  if (JSON.stringify(expected) !== JSON.stringify(actual) || after.rows !== form.rows - gone) {
    throw failed(
      'REWRITE_MISMATCH',
      `A file of ${form.rows} rows, ${work.rows} of them to go, came out with ${after.rows} rows, or others. It was not stored.`,
      { hint: 'The file is untouched. Run it again; if it happens twice, report it as a bug.' },
    );
  }
  const { bytes, sha256 } = await hashOfFile(work.to);
  return { rowsBefore: form.rows, rowsAfter: after.rows, bytes, sha256 };
}

function wantedRows(source: string, { condition, redact }: Rewrite): string {
  if (redact === undefined)
    return `SELECT * FROM ${source} WHERE NOT coalesce(${condition}, false)`;
  const emptied = redact.map(
    (column) =>
      `CASE WHEN coalesce(${condition}, false) THEN NULL ELSE ${quoteName(column)} END AS ${quoteName(column)}`,
  );
  return `SELECT * REPLACE (${emptied.join(', ')}) FROM ${source}`;
}

const sums = async (engine: Engine, select: string): Promise<unknown> => {
  const [row] = await engine.rows<Record<string, unknown>>(
    `SELECT count(*) AS rows, CAST(bit_xor(h) AS VARCHAR) AS crossed, CAST(sum(CAST(h AS HUGEINT)) AS VARCHAR) AS total
     FROM (SELECT hash(*COLUMNS(*)) AS h FROM (${select}))`,
  );
  return row;
};

export async function hashOfFile(path: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { bytes, sha256: hash.digest('hex') };
}

const notRewritable = (path: string, why: string) =>
  refused('FILE_NOT_REWRITABLE', `${path} cannot be rewritten without loss: ${why}.`, {
    hint: 'It was left as it is. Make it again from its source, or delete it.',
  });
