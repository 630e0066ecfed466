import type { CatalogColumn, CatalogTable, StoredRelation } from '../../database/catalog.js';
import type { DatabaseClient } from '../../database/client.js';
import { quoteIdentifier, quoteTable } from '../../database/identifiers.js';
import { fileLiteral, literal, quoteName } from '../../engine/session.js';
import {
  escapes as allEscapes,
  decimalMapping,
  type Escapes,
  isUnboundedNumeric,
  mapType,
  type TypeMapping,
  textMapping,
} from '../../engine/types.js';

export interface PlannedColumn {
  name: string;
  typeName: string;
  mapping: TypeMapping;
}

/** A table with the way its values travel. */
export interface TablePlan {
  table: CatalogTable;
  columns: PlannedColumn[];
}

/** A piece of a table that one COPY sends. */
export interface Piece {
  plan: TablePlan;
  /** Place among the table's pieces, which is the order of their files. */
  index: number;
  sql: string;
  bytes: number;
}

/** Maps the columns of a table; looks at the values where the type alone does not tell. */
export async function planTable(
  client: DatabaseClient,
  schema: string,
  table: CatalogTable,
): Promise<TablePlan> {
  const unbounded = table.columns.filter(({ type }) => isUnboundedNumeric(type));
  const measured = await measureNumerics(client, schema, table.name, unbounded);
  return {
    table,
    columns: table.columns.map((column) => ({
      name: column.name,
      typeName: column.typeName,
      mapping: measured.get(column.name) ?? mapType(column.type),
    })),
  };
}

/** Plain `numeric` has no scale: the widest that its values need makes it a decimal. */
async function measureNumerics(
  client: DatabaseClient,
  schema: string,
  table: string,
  columns: readonly CatalogColumn[],
): Promise<Map<string, TypeMapping>> {
  const measured = new Map<string, TypeMapping>();
  if (columns.length === 0) return measured;
  // The greatest numeric of all is NaN, then infinity: neither has a scale, and both are seen here.
  const [row = {}] = await client.query<Record<string, number | boolean | null>>(
    `SELECT ${columns
      .map(({ name }, index) => {
        const value = quoteIdentifier(name);
        return `max(scale(${value})) AS scale${index},
                length(trunc(greatest(abs(max(${value})), abs(min(${value}))))::text) AS digits${index},
                coalesce(bool_or(scale(${value}) IS NULL AND ${value} IS NOT NULL), false) AS special${index}`;
      })
      .join(', ')}
     FROM ${quoteTable(schema, table)}`,
  );
  columns.forEach(({ name }, index) => {
    const scale = Number(row[`scale${index}`] ?? 0);
    const digits = Number(row[`digits${index}`] ?? 1);
    const special = row[`special${index}`] === true;
    measured.set(name, special ? textMapping : decimalMapping(digits, scale));
  });
  return measured;
}

/** The same plan with wider types for the named columns, in the end text. */
export const widen = (plan: TablePlan, names: readonly string[]): TablePlan => ({
  ...plan,
  columns: plan.columns.map((column) =>
    names.includes(column.name)
      ? { ...column, mapping: column.mapping.wider ?? textMapping }
      : column,
  ),
});

export interface PieceLimits {
  /** About how many bytes one COPY should send. */
  bytes: number;
  /** Pieces of one table at most. */
  count: number;
}

/** Splits a table into pieces: its partitions, and large ones of those by ranges of pages. */
export function cutTable(plan: TablePlan, limits: PieceLimits): Piece[] {
  return plan.table.stored
    .flatMap((relation) => cutRelation(plan, relation, limits))
    .map((piece, index) => ({ plan, index, ...piece }));
}

/**
 * Ranges of physical pages need no index, cost no more than reading the whole, and are equal in
 * size whatever the keys are like. The last is open: what it holds beyond the pages counted here
 * was written after the snapshot, and is not visible in it.
 */
function cutRelation(
  plan: TablePlan,
  relation: StoredRelation,
  limits: PieceLimits,
): { sql: string; bytes: number }[] {
  const wanted = Math.min(Math.floor(relation.bytes / limits.bytes), limits.count, relation.pages);
  const count = Math.max(wanted, 1);
  const from = (index: number): number => Math.floor((index * relation.pages) / count);
  return Array.from({ length: count }, (_, index) => {
    const bounds = [
      ...(index > 0 ? [`ctid >= '(${from(index)},0)'::tid`] : []),
      ...(index < count - 1 ? [`ctid < '(${from(index + 1)},0)'::tid`] : []),
    ];
    return { sql: copySql(plan, relation, bounds), bytes: relation.bytes / count };
  });
}

/**
 * COPY's text format: a third faster to make than CSV, every row is one line, and NULL cannot be
 * taken for a text.
 */
function copySql(plan: TablePlan, relation: StoredRelation, bounds: readonly string[]): string {
  const values = plan.columns.map(({ name, mapping }) =>
    mapping.copyExpression(quoteIdentifier(name)),
  );
  // An empty text alone on its line is an empty line, which readers of CSV skip.
  if (values.length === 1) values.push('0');
  const from = `${relation.only ? 'ONLY ' : ''}${quoteTable(relation.schema, relation.name)}`;
  const where = bounds.length === 0 ? '' : ` WHERE ${bounds.join(' AND ')}`;
  return `COPY (SELECT ${values.join(', ')} FROM ${from}${where}) TO STDOUT (FORMAT text, ENCODING 'UTF8')`;
}

const fieldName = (index: number): string => `field${index}`;

/** Where the rows of a chunk are, and how long the longest is. */
export interface ChunkSource {
  path: string;
  longestRow: number;
}

const bufferBytes = 1 << 20;

/** The engine's reader over a chunk; all fields as text with `asRead` false. */
function reader(plan: TablePlan, chunk: ChunkSource, asRead: boolean): string {
  const types = plan.columns.map(({ mapping }) => (asRead ? mapping.readType : 'VARCHAR'));
  if (types.length === 1) types.push('INTEGER');
  const columns = types.map((type, index) => `'${fieldName(index)}': '${type}'`).join(', ');
  // A buffer has to hold a row; small ones keep memory low, and every thread busy.
  const line = chunk.longestRow + 1024;
  return `read_csv(${fileLiteral(chunk.path)}, auto_detect = false, header = false, delim = '\t',
    quote = '', escape = '', new_line = '\\n', nullstr = '\\N', columns = {${columns}},
    max_line_size = ${line}, buffer_size = ${Math.max(bufferBytes, line * 2)})`;
}

/** The rows of a chunk with the table's names and types. */
export const chunkQuery = (plan: TablePlan, chunk: ChunkSource, escapes: Escapes): string =>
  `SELECT ${plan.columns
    .map(
      ({ name, mapping }, index) =>
        `${mapping.engineExpression(fieldName(index), escapes)} AS ${quoteName(name)}`,
    )
    .join(', ')} FROM ${reader(plan, chunk, true)}`;

/** No rows, with the table's names and types. */
export const emptyQuery = (plan: TablePlan): string =>
  `SELECT ${plan.columns
    .map(({ name, mapping }) => `CAST(NULL AS ${mapping.engineType}) AS ${quoteName(name)}`)
    .join(', ')} WHERE false`;

/** One row: for each column, by position (`fits0` …), whether its type holds all its values. */
export const fitsQuery = (plan: TablePlan, chunk: ChunkSource): string =>
  `SELECT ${plan.columns
    .map(({ mapping }, index) => {
      const field = fieldName(index);
      return `coalesce(bool_and(${field} IS NULL OR (${mapping.fits(field)})), true) AS fits${index}`;
    })
    .join(', ')} FROM ${reader(plan, chunk, false)}`;

/** One row: for each escape of COPY's text format, by position, whether a field holds it. */
export const escapesQuery = (plan: TablePlan, chunk: ChunkSource): string =>
  `SELECT ${allEscapes
    .map((sequence, index) => {
      const found = plan.columns.map(
        (_, field) => `contains(${fieldName(field)}, ${literal(sequence)})`,
      );
      return `coalesce(bool_or(${found.map((one) => `coalesce(${one}, false)`).join(' OR ')}), false) AS escape${index}`;
    })
    .join(', ')} FROM ${reader(plan, chunk, false)}`;
