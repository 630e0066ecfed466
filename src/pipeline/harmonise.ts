import type { Config } from '../config/schema.js';
import { parquetSource } from '../engine/parquet.js';
import { type Engine, quoteName } from '../engine/session.js';
import { withEra } from '../engine/types.js';
import type { Manifest, ManifestTable } from '../lake/manifest.js';
import { failed } from '../system/errors.js';

type Entities = Config['source']['entities'];
type EntityName = keyof Entities;

/** The engine's type of each column of the views that transform.sql reads. */
const shape = {
  review: {
    review_id: 'VARCHAR',
    customer_id: 'VARCHAR',
    title: 'VARCHAR',
    body: 'VARCHAR',
    rating: 'DOUBLE',
    verified_purchase: 'BOOLEAN',
    helpful_votes: 'INTEGER',
    created_at: 'TIMESTAMP WITH TIME ZONE',
  },
  reviewProduct: { review_id: 'VARCHAR', product_id: 'VARCHAR' },
  reviewImage: { review_id: 'VARCHAR', image_url: 'VARCHAR' },
  product: { product_id: 'VARCHAR', name: 'VARCHAR', category_id: 'VARCHAR' },
  category: { category_id: 'VARCHAR', name: 'VARCHAR' },
  customer: { customer_id: 'VARCHAR', created_at: 'TIMESTAMP WITH TIME ZONE' },
  order: { order_id: 'VARCHAR', customer_id: 'VARCHAR' },
} as const satisfies Record<EntityName, Record<string, string>>;

/**
 * Types of the source whose every value the shape's type holds; of the others, a view also tells the
 * value that it could not take over, in the source's words, as `unread_` and the column's name.
 */
const readable: Record<'DOUBLE' | 'BOOLEAN' | 'INTEGER' | 'TIMESTAMP WITH TIME ZONE', RegExp> = {
  DOUBLE: /^(?:TINYINT|SMALLINT|INTEGER|BIGINT|FLOAT|DOUBLE|DECIMAL\(.*\))$/,
  BOOLEAN: /^(?:BOOLEAN|TINYINT|SMALLINT|INTEGER|BIGINT)$/,
  INTEGER: /^(?:TINYINT|SMALLINT|INTEGER)$/,
  'TIMESTAMP WITH TIME ZONE': /^TIMESTAMP(?: WITH TIME ZONE)?$/,
};

/** Entities of which one row each is joined, and the id they are joined by. */
const joinedBy = {
  product: 'product_id',
  category: 'category_id',
  customer: 'customer_id',
} as const satisfies Partial<Record<EntityName, string>>;

/** Without these there is nothing to score; the others may be missing from a batch. */
const required: readonly EntityName[] = ['review', 'reviewProduct'];

const viewName = (entity: EntityName): string =>
  `source_${entity.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;

export interface DeclaredSources {
  /** Entities that the batch does not hold (their views are empty). */
  absent: EntityName[];
  /** Tables with several rows of one id, of which the first in the order of their values counts. */
  repeated: { table: string; rows: number }[];
  /** Columns beside the reviews' with values that cannot be read; those count as absent. */
  unread: { table: string; column: string; rows: number }[];
}

/**
 * Declares the `source_*` views over the bronze files: the names and types the stages work with,
 * whatever the source calls them. `filesOf` gives the local paths of a table's files. Needs the
 * macros of `declareMacros`.
 *
 * @throws TABLE_NOT_IN_BATCH, COLUMN_NOT_IN_BATCH
 */
export async function declareSourceViews(
  engine: Engine,
  bronze: Manifest,
  entities: Entities,
  filesOf: (table: ManifestTable) => string[],
): Promise<DeclaredSources> {
  const absent: EntityName[] = [];
  const repeated: DeclaredSources['repeated'] = [];
  const unread: DeclaredSources['unread'] = [];
  for (const entity of Object.keys(shape) as EntityName[]) {
    const mapping: Record<string, string | null> = entities[entity];
    const table = bronze.tables.find(({ name }) => name === mapping.table);
    if (table === undefined) {
      if (required.includes(entity)) throw missingTable(bronze, entity, mapping.table ?? '');
      absent.push(entity);
    }
    if (table !== undefined && entity !== 'review') {
      unread.push(...(await countUnread(engine, entity, mapping, table, filesOf)));
    }
    const query = select(entity, mapping, bronze, table, filesOf);
    const id = entity in joinedBy ? joinedBy[entity as keyof typeof joinedBy] : undefined;
    const one = id === undefined || table === undefined || isKeyed(table, mapping, [id]);
    if (!one) {
      const [counted] = await engine.rows<{ rows: number }>(
        `SELECT count(${id}) - count(DISTINCT ${id}) AS rows FROM (${query})`,
      );
      const rows = counted?.rows ?? 0;
      if (rows > 0) repeated.push({ table: table.name, rows });
    }
    await engine.run(
      `CREATE VIEW ${viewName(entity)} AS ${one ? query : `SELECT DISTINCT ON (${id}) * FROM (${query}) ORDER BY ALL`}`,
    );
  }
  return { absent, repeated, unread };
}

/** Of a review they are judged one by one; elsewhere a value that cannot be read is left out. */
async function countUnread(
  engine: Engine,
  entity: EntityName,
  mapping: Record<string, string | null>,
  table: ManifestTable,
  filesOf: (table: ManifestTable) => string[],
): Promise<DeclaredSources['unread']> {
  const found: DeclaredSources['unread'] = [];
  for (const [name, type] of Object.entries(shape[entity])) {
    const column = table.columns.find((candidate) => candidate.name === mapping[name]);
    if (column === undefined || type === 'VARCHAR' || readable[type].test(column.type)) continue;
    const { unread } = readColumn(quoteName(column.name), column.type, type);
    const [counted] = await engine.rows<{ rows: number }>(
      `SELECT count(${unread}) AS rows FROM ${parquetSource(filesOf(table))}`,
    );
    const rows = counted?.rows ?? 0;
    if (rows > 0) found.push({ table: table.name, column: column.name, rows });
  }
  return found;
}

/**
 * The table of the reviews.
 *
 * @throws TABLE_NOT_IN_BATCH
 */
export function reviewTable(bronze: Manifest, { review }: Entities): ManifestTable {
  const table = bronze.tables.find(({ name }) => name === review.table);
  if (table === undefined) throw missingTable(bronze, 'review', review.table);
  return table;
}

/** Whether the source lets no link of a review to a product come twice. */
export function areLinksUnique(bronze: Manifest, { reviewProduct }: Entities): boolean {
  const table = bronze.tables.find(({ name }) => name === reviewProduct.table);
  return table !== undefined && isKeyed(table, reviewProduct, ['review_id', 'product_id']);
}

/**
 * Whether no two rows of the table have the same ids: they hold its primary key, which is what the
 * files of bronze have ranges of.
 */
function isKeyed(
  table: ManifestTable,
  mapping: Record<string, string | null>,
  ids: readonly string[],
): boolean {
  const columns = ids.map((id) => mapping[id]);
  return table.files.every(({ ranges }) => {
    const key = Object.keys(ranges);
    return key.length > 0 && key.every((column) => columns.includes(column));
  });
}

/**
 * Declares `piece_review` in place of the one before: `source_review`, of some of its files only.
 *
 * @throws COLUMN_NOT_IN_BATCH
 */
export async function declarePieceView(
  engine: Engine,
  bronze: Manifest,
  entities: Entities,
  reviews: ManifestTable,
  files: string[],
): Promise<void> {
  await engine.run(
    `CREATE OR REPLACE VIEW piece_review AS ${select('review', entities.review, bronze, reviews, () => files)}`,
  );
}

function select(
  entity: EntityName,
  mapping: Record<string, string | null>,
  bronze: Manifest,
  table: ManifestTable | undefined,
  filesOf: (table: ManifestTable) => string[],
): string {
  const files = table === undefined ? [] : filesOf(table);
  const columns = Object.entries(shape[entity]).flatMap(([name, type]) => {
    const column = mapping[name] ?? null;
    const present = table?.columns.find((candidate) => candidate.name === column);
    if (column !== null && table !== undefined && present === undefined) {
      throw missingColumn(bronze, table, entity, name, column);
    }
    const read =
      present === undefined
        ? { value: `CAST(NULL AS ${type})`, unread: 'CAST(NULL AS VARCHAR)' }
        : readColumn(quoteName(present.name), present.type, type);
    const value = `${read.value} AS ${name}`;
    return entity === 'review' && type !== 'VARCHAR'
      ? [value, `${read.unread} AS unread_${name}`]
      : [value];
  });
  // Where a row stands in its source decides which of two with the same id came first.
  const position =
    entity !== 'review'
      ? []
      : files.length === 0
        ? ["'' AS source_file", '0 AS source_row']
        : ['filename AS source_file', 'file_row_number AS source_row'];
  const from =
    files.length === 0
      ? ' WHERE false'
      : ` FROM ${parquetSource(files, ['filename = true', 'file_row_number = true'])}`;
  return `SELECT ${[...columns, ...position].join(', ')}${from}`;
}

/**
 * The value of a column in the shape's type, null where that cannot hold it; and then, unless the source
 * wrote a text for "nothing", the value that it could not hold.
 */
function readColumn(
  column: string,
  from: string,
  type: keyof typeof readable | 'VARCHAR',
): { value: string; unread: string } {
  const text = `CAST(${column} AS VARCHAR)`;
  const unread = 'CAST(NULL AS VARCHAR)';
  if (type === 'VARCHAR') return { value: text, unread };
  if (type === 'DOUBLE' && from.startsWith('DECIMAL')) {
    // Made a DOUBLE, here or in JSON, a decimal just below 5 would be 5.
    const unlike = `${column} <> trunc(${column})`;
    return { value: column, unread: `CASE WHEN ${unlike} THEN ${text} END` };
  }
  const isTimeText = type === 'TIMESTAMP WITH TIME ZONE' && from === 'VARCHAR';
  const value = `TRY_CAST(${isTimeText ? withEra(column) : column} AS ${type})`;
  if (readable[type].test(from)) return { value, unread };
  const isLost = lostIn(column, value, from, type);
  return {
    value,
    unread: `CASE WHEN ${column} IS NOT NULL AND ${isLost} AND NOT is_placeholder(strip(${text})) THEN ${text} END`,
  };
}

/** Whether the value is not what the source says: the engine rounds in silence. */
function lostIn(column: string, value: string, from: string, type: keyof typeof readable): string {
  if (type === 'INTEGER')
    return `coalesce(CAST(${value} AS DOUBLE) <> TRY_CAST(${column} AS DOUBLE), true)`;
  if (type !== 'DOUBLE' || from !== 'VARCHAR') return `${value} IS NULL`;
  // 4.99999999999999999999 is 5 as a DOUBLE.
  const whole = `regexp_full_match(strip(${column}), '[+-]?[0-9]*[.]?0*([eE].*)?')`;
  return `coalesce(${value} = trunc(${value}) AND NOT ${whole}, true)`;
}

const missingTable = (bronze: Manifest, entity: EntityName, table: string) =>
  failed(
    'TABLE_NOT_IN_BATCH',
    `Batch ${bronze.batchId} holds no table "${table}", which source.entities.${entity} names.`,
    {
      hint: `It holds ${bronze.tables.map(({ name }) => name).join(', ')}. Extract the table, or correct source.entities.`,
    },
  );

const missingColumn = (
  bronze: Manifest,
  table: ManifestTable,
  entity: EntityName,
  name: string,
  column: string,
) =>
  failed(
    'COLUMN_NOT_IN_BATCH',
    `Table "${table.name}" of batch ${bronze.batchId} has no column "${column}", which source.entities.${entity}.${name} names.`,
    {
      hint: `It has ${table.columns.map((present) => present.name).join(', ')}. Correct source.entities, or extract again.`,
    },
  );
