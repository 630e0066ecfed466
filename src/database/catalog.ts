import type { PostgresType } from '../engine/types.js';
import type { DatabaseClient } from './client.js';

export type RelationKind = 'table' | 'partitioned' | 'view' | 'materialized' | 'foreign';

export interface RelationName {
  name: string;
  kind: RelationKind;
  /** Whether another table shows its rows: a partition. */
  isPartition: boolean;
  /** Whether it belongs to an extension rather than to the business. */
  ofExtension: boolean;
}

export interface CatalogColumn {
  name: string;
  /** As `\d` shows it, for messages: `numeric(12,2)`. */
  typeName: string;
  type: PostgresType;
}

/** A relation that holds rows itself, or can only be read as a whole (views, foreign tables). */
export interface StoredRelation {
  schema: string;
  name: string;
  /** Whether it is read without the tables that inherit from it. */
  only: boolean;
  /** Number of 8 kB pages of the heap; 0 where there is none. */
  pages: number;
  /** With its out-of-line values, without indexes. */
  bytes: number;
}

export interface CatalogTable {
  name: string;
  kind: RelationKind;
  columns: CatalogColumn[];
  /** Columns of the primary key, in its order; empty when there is none that holds for all rows. */
  primaryKey: string[];
  /** What the planner believes; undefined when it never counted. */
  estimatedRows: number | undefined;
  /** The table itself and those that inherit from it, or the leaves of a partitioned one. */
  stored: StoredRelation[];
}

const kinds: Record<string, RelationKind> = {
  r: 'table',
  p: 'partitioned',
  v: 'view',
  m: 'materialized',
  f: 'foreign',
};

const kindOf = (relkind: string): RelationKind => kinds[relkind] ?? 'table';

/** All relations of a schema that have rows, by name. Empty when the schema does not exist. */
export async function listRelations(
  client: DatabaseClient,
  schema: string,
): Promise<RelationName[]> {
  const rows = await client.query<{
    name: string;
    relkind: string;
    is_partition: boolean;
    of_extension: boolean;
  }>(
    `SELECT c.relname AS name, c.relkind, c.relispartition AS is_partition,
            EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                    AND d.objid = c.oid AND d.deptype = 'e') AS of_extension
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
     ORDER BY c.relname`,
    [schema],
  );
  return rows.map((row) => ({
    name: row.name,
    kind: kindOf(row.relkind),
    isPartition: row.is_partition,
    ofExtension: row.of_extension,
  }));
}

/** Columns, keys, sizes and partitions of the named relations of a schema, in the order given. */
export async function describeTables(
  client: DatabaseClient,
  schema: string,
  names: readonly string[],
): Promise<CatalogTable[]> {
  const relations = await client.query<RelationRow>(relationsSql, [schema, names]);
  const columns = await client.query<ColumnRow>(columnsSql, [schema, names]);
  const leaves = await client.query<LeafRow>(leavesSql, [schema, names]);
  return relations.map((relation) => {
    const ours = <Row extends { oid: string }>(rows: Row[]) =>
      rows.filter(({ oid }) => oid === relation.oid);
    const found = ours(leaves);
    const stored = found.every(({ readable }) => readable)
      ? found
      : [asWhole(schema, relation, found)];
    const counted = found.filter(({ estimated_rows }) => estimated_rows !== null);
    return {
      name: relation.name,
      kind: kindOf(relation.relkind),
      columns: ours(columns).map((column) => ({
        name: column.name,
        typeName: column.type_name,
        type: {
          name: column.base_name,
          builtIn: column.built_in,
          isArray: column.is_array,
          modifier: column.modifier,
        },
      })),
      // The key of a table does not bind those that inherit from it.
      primaryKey: relation.relkind === 'r' && found.length > 1 ? [] : relation.primary_key,
      estimatedRows:
        counted.length === 0
          ? undefined
          : counted.reduce((total, leaf) => total + Number(leaf.estimated_rows), 0),
      stored: stored.map(({ schema: leafSchema, name, only, pages, bytes }) => ({
        schema: leafSchema,
        name,
        only,
        pages: Number(pages),
        bytes: Number(bytes),
      })),
    };
  });
}

interface RelationRow {
  oid: string;
  name: string;
  relkind: string;
  primary_key: string[];
}

const relationsSql = `
  SELECT c.oid::text AS oid, c.relname AS name, c.relkind,
         ARRAY(SELECT a.attname::text
               FROM pg_index i
               CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
               WHERE i.indrelid = c.oid AND i.indisprimary AND k.place <= i.indnkeyatts
               ORDER BY k.place) AS primary_key
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = ANY ($2::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  ORDER BY array_position($2::text[], c.relname::text)`;

interface ColumnRow {
  oid: string;
  name: string;
  type_name: string;
  base_name: string;
  built_in: boolean;
  is_array: boolean;
  modifier: number;
}

/** Domains are followed down to the type they are made of; the innermost modifier that is set counts. */
const columnsSql = `
  WITH RECURSIVE resolved AS (
    SELECT a.attrelid, a.attnum, a.atttypid AS type, a.atttypmod AS modifier
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = ANY ($2::text[]) AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT r.attrelid, r.attnum, t.typbasetype,
           CASE WHEN t.typtypmod = -1 THEN r.modifier ELSE t.typtypmod END
    FROM resolved r JOIN pg_type t ON t.oid = r.type AND t.typtype = 'd'
  )
  SELECT r.attrelid::text AS oid, a.attname::text AS name,
         format_type(a.atttypid, a.atttypmod) AS type_name,
         t.typname::text AS base_name,
         t.typnamespace = 'pg_catalog'::regnamespace AS built_in,
         t.typcategory = 'A' AS is_array,
         r.modifier
  FROM resolved r
  JOIN pg_type t ON t.oid = r.type AND t.typtype <> 'd'
  JOIN pg_attribute a ON a.attrelid = r.attrelid AND a.attnum = r.attnum
  ORDER BY r.attrelid, r.attnum`;

/** The right to read a table shows what it is made of, which may not be readable by itself. */
const asWhole = (schema: string, { oid, name }: RelationRow, leaves: LeafRow[]): LeafRow => ({
  oid,
  schema,
  name,
  only: false,
  readable: true,
  pages: '0',
  bytes: String(leaves.reduce((total, leaf) => total + Number(leaf.bytes), 0)),
  estimated_rows: null,
});

interface LeafRow {
  oid: string;
  schema: string;
  name: string;
  only: boolean;
  readable: boolean;
  pages: string;
  bytes: string;
  estimated_rows: number | null;
}

/**
 * The leaves of a table are itself and what inherits from it; of a partitioned one, those partitions
 * that hold rows.
 */
const leavesSql = `
  SELECT c.oid::text AS oid, ln.nspname AS schema, l.relname AS name,
         c.relkind IN ('r', 'p') AS only,
         l.oid = c.oid OR (has_schema_privilege(ln.oid, 'USAGE')
                           AND has_any_column_privilege(l.oid, 'SELECT')) AS readable,
         CASE WHEN l.relkind IN ('r', 'm')
              THEN pg_relation_size(l.oid) / current_setting('block_size')::bigint ELSE 0 END AS pages,
         CASE WHEN l.relkind IN ('r', 'm') THEN pg_table_size(l.oid) ELSE 0 END AS bytes,
         CASE WHEN l.reltuples >= 0 AND l.relkind <> 'v' THEN l.reltuples::float8 END AS estimated_rows
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL (
    WITH RECURSIVE heirs AS (
      SELECT c.oid AS leaf
      UNION
      SELECT i.inhrelid FROM heirs JOIN pg_inherits i ON i.inhparent = heirs.leaf
      WHERE c.relkind = 'r'
    )
    SELECT leaf FROM heirs WHERE c.relkind <> 'p'
    UNION ALL
    SELECT relid FROM pg_partition_tree(c.oid) WHERE c.relkind = 'p' AND isleaf
  ) AS part
  JOIN pg_class l ON l.oid = part.leaf AND l.relkind <> 'p'
  JOIN pg_namespace ln ON ln.oid = l.relnamespace
  WHERE n.nspname = $1 AND c.relname = ANY ($2::text[])
  ORDER BY c.oid, ln.nspname, l.relname`;
