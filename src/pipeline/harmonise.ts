import type { Config } from '../config/schema.js';
import { parquetSource } from '../engine/parquet.js';
import { type Engine, quoteName } from '../engine/session.js';
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

/** Without these there is nothing to score; the others may be missing from a batch. */
const required: readonly EntityName[] = ['review', 'reviewProduct'];

const viewName = (entity: EntityName): string =>
  `source_${entity.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;

/**
 * Declares the `source_*` views over the bronze files: the names and types the stages work with,
 * whatever the source calls them. `filesOf` gives the local paths of a table's files.
 *
 * @returns names of the entities that the batch does not hold (their views are empty)
 * @throws TABLE_NOT_IN_BATCH, COLUMN_NOT_IN_BATCH
 */
export async function declareSourceViews(
  engine: Engine,
  bronze: Manifest,
  entities: Entities,
  filesOf: (table: ManifestTable) => string[],
): Promise<EntityName[]> {
  const absent: EntityName[] = [];
  for (const entity of Object.keys(shape) as EntityName[]) {
    const mapping: Record<string, string | null> = entities[entity];
    const table = bronze.tables.find(({ name }) => name === mapping.table);
    if (table === undefined) {
      if (required.includes(entity)) throw missingTable(bronze, entity, mapping.table ?? '');
      absent.push(entity);
    }
    await engine.run(
      `CREATE VIEW ${viewName(entity)} AS ${select(entity, mapping, bronze, table, filesOf)}`,
    );
  }
  return absent;
}

/**
 * Declares `piece_review` in place of the one before: `source_review`, of some of its files only.
 *
 * @throws TABLE_NOT_IN_BATCH, COLUMN_NOT_IN_BATCH
 */
export async function declarePieceView(
  engine: Engine,
  bronze: Manifest,
  { review }: Entities,
  files: string[],
): Promise<void> {
  const table = bronze.tables.find(({ name }) => name === review.table);
  await engine.run(
    `CREATE OR REPLACE VIEW piece_review AS ${select('review', review, bronze, table, () => files)}`,
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
  const columns = Object.entries(shape[entity]).map(([name, type]) => {
    const column = mapping[name] ?? null;
    if (column === null || table === undefined) return `CAST(NULL AS ${type}) AS ${name}`;
    if (!table.columns.some((present) => present.name === column)) {
      throw missingColumn(bronze, table, entity, name, column);
    }
    return `${cast(quoteName(column), type)} AS ${name}`;
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

/** A value the type cannot hold becomes null, for the rules to judge; text needs no attempt. */
const cast = (column: string, type: string): string =>
  type === 'VARCHAR' ? `CAST(${column} AS VARCHAR)` : `TRY_CAST(${column} AS ${type})`;

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
