import type { DatabaseClient } from '../database/client.js';
import { invalid } from '../system/errors.js';

export interface ColumnInfo {
  name: string;
  /** As the server spells it: `character varying(40)`. */
  type: string;
  /** Characters a varchar(n) or char(n) holds. */
  maximumLength: number | undefined;
  notNull: boolean;
  hasDefault: boolean;
  /** Computed by the server: cannot be given. */
  generated: boolean;
  /** GENERATED ALWAYS AS IDENTITY. */
  alwaysIdentity: boolean;
}

export interface ForeignKey {
  columns: string[];
  schema: string;
  table: string;
  references: string[];
}

export interface TableInfo {
  name: string;
  columns: ColumnInfo[];
  /** The primary key, else a unique key of columns that are never NULL; empty when there is none. */
  key: string[];
  /** Columns of each B-tree index: together they must not be too long (`longestKeyBytes`). */
  indexed: string[][];
  /** Further unique keys over plain columns. */
  unique: { name: string; columns: string[] }[];
  foreignKeys: ForeignKey[];
  /** `expression` in the server's SQL over the table's columns. */
  checks: { name: string; expression: string }[];
}

export interface Catalog {
  schema: string;
  tables: Map<string, TableInfo>;
  /** 160004 for 16.4. */
  serverVersion: number;
}

interface CatalogRow {
  table: string;
  columns: {
    name: string;
    type: string;
    length: number;
    notNull: boolean;
    hasDefault: boolean;
    generated: boolean;
    identity: string;
  }[];
  indexes: { name: string; primary: boolean; columns: string[] }[] | null;
  indexed: string[][] | null;
  foreign: ForeignKey[] | null;
  checks: { name: string; definition: string }[] | null;
}

const query = `
SELECT c.relname AS "table",
  (SELECT json_agg(json_build_object(
      'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
      'length', CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) THEN a.atttypmod - 4 ELSE -1 END,
      'notNull', a.attnotnull, 'hasDefault', a.atthasdef OR a.attidentity <> '',
      'generated', a.attgenerated <> '', 'identity', a.attidentity) ORDER BY a.attnum)
   FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
  (SELECT json_agg(json_build_object('name', i.indexrelid::regclass::text, 'primary', i.indisprimary,
      'columns', (SELECT json_agg(a.attname ORDER BY k.place)
                  FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place)
                  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
                  WHERE k.place <= i.indnkeyatts))
      ORDER BY i.indisprimary DESC, i.indexrelid)
   FROM pg_index i
   WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid
     AND i.indpred IS NULL AND i.indexprs IS NULL) AS indexes,
  (SELECT json_agg((SELECT json_agg(a.attname ORDER BY k.place)
                    FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place)
                    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number))
   FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_am am ON am.oid = ic.relam
   WHERE i.indrelid = c.oid AND am.amname = 'btree' AND i.indexprs IS NULL) AS indexed,
  (SELECT json_agg(json_build_object('schema', fn.nspname, 'table', fc.relname,
      'columns', (SELECT json_agg(a.attname ORDER BY k.place) FROM unnest(f.conkey) WITH ORDINALITY AS k(number, place)
                  JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.number),
      'references', (SELECT json_agg(a.attname ORDER BY k.place) FROM unnest(f.confkey) WITH ORDINALITY AS k(number, place)
                  JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.number)) ORDER BY f.conname)
   FROM pg_constraint f JOIN pg_class fc ON fc.oid = f.confrelid JOIN pg_namespace fn ON fn.oid = fc.relnamespace
   WHERE f.conrelid = c.oid AND f.contype = 'f') AS "foreign",
  (SELECT json_agg(json_build_object('name', k.conname, 'definition', pg_get_expr(k.conbin, k.conrelid)) ORDER BY k.conname)
   FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c') AS checks
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY c.relname`;

/** Reads the tables of a schema and what they demand of a row. Error: `SCHEMA_NOT_FOUND`. */
export async function readCatalog(client: DatabaseClient, schema: string): Promise<Catalog> {
  const rows = await client.query<CatalogRow>(query, [schema]);
  if (rows.length === 0) {
    throw invalid('SCHEMA_NOT_FOUND', `The database has no tables in the schema "${schema}".`, {
      hint: 'Run `reviewops db init`, or correct source.schema in the configuration.',
    });
  }
  const [version] = await client.query<{ version: number }>(
    "SELECT current_setting('server_version_num')::int AS version",
  );
  return {
    schema,
    serverVersion: version?.version ?? 0,
    tables: new Map(rows.map((row) => [row.table, tableInfo(row)])),
  };
}

function tableInfo(row: CatalogRow): TableInfo {
  const required = new Set(
    row.columns.filter((column) => column.notNull).map((column) => column.name),
  );
  const indexes = row.indexes ?? [];
  const key = indexes.find(
    (index) => index.primary || index.columns.every((column) => required.has(column)),
  );
  return {
    name: row.table,
    columns: row.columns.map((column) => ({
      name: column.name,
      type: column.type,
      maximumLength: column.length > 0 ? column.length : undefined,
      notNull: column.notNull,
      hasDefault: column.hasDefault,
      generated: column.generated,
      alwaysIdentity: column.identity === 'a',
    })),
    key: key?.columns ?? [],
    indexed: row.indexed ?? [],
    unique: indexes
      .filter((index) => index !== key)
      .map(({ name, columns }) => ({ name, columns })),
    foreignKeys: row.foreign ?? [],
    checks: (row.checks ?? []).map(({ name, definition }) => ({ name, expression: definition })),
  };
}

/**
 * What the text columns of one entry of a B-tree index may hold together. The server's limit is
 * 2,704 bytes with its own overhead; it takes more where the text compresses well, which nobody
 * can rely on.
 */
export const longestKeyBytes = 2600;

/** The tables, parents before children; tables that refer to each other keep their order. */
export function foreignKeyOrder(tables: readonly TableInfo[], schema: string): TableInfo[] {
  const waiting = [...tables];
  const ordered: TableInfo[] = [];
  while (waiting.length > 0) {
    const free = waiting.findIndex((table) =>
      table.foreignKeys.every(
        (key) =>
          key.schema !== schema ||
          key.table === table.name ||
          !waiting.some((other) => other.name === key.table),
      ),
    );
    ordered.push(...waiting.splice(Math.max(free, 0), 1));
  }
  return ordered;
}
