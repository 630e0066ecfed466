import type { DatabaseClient } from '../../database/client.js';
import { quoteTable } from '../../database/identifiers.js';
import { formatBytes } from '../../system/duration.js';
import type { AuditFinding } from './finding.js';

type Schemas = readonly string[];

/** Tables whose rows nothing tells apart. */
export async function tablesWithoutKey(
  client: DatabaseClient,
  schemas: Schemas,
): Promise<AuditFinding[]> {
  const rows = await client.query<{ schema: string; name: string }>(
    `SELECT n.nspname AS schema, c.relname AS name
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
     ORDER BY 1, 2`,
    [schemas],
  );
  return rows.map(({ schema, name }) => ({
    check: 'primary-key',
    state: 'warning',
    object: `${schema}.${name}`,
    problem: 'has no primary key: a row can be there twice, and nothing can name one',
    fix: `ALTER TABLE ${quoteTable(schema, name)} ADD PRIMARY KEY (…);`,
  }));
}

/** Rows from which a missing index is felt when the referenced row is deleted. */
const felt = 10_000;

/** Foreign keys that each delete of a referenced row has to search a whole table for. */
export async function foreignKeysWithoutIndex(
  client: DatabaseClient,
  schemas: Schemas,
): Promise<AuditFinding[]> {
  const rows = await client.query<{
    schema: string;
    name: string;
    constraint: string;
    columns: string;
    target: string;
    rows: number;
  }>(
    `SELECT n.nspname AS schema, c.relname AS name, k.conname AS constraint,
            (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY f.place)
             FROM unnest(k.conkey) WITH ORDINALITY AS f (attnum, place)
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = f.attnum) AS columns,
            k.confrelid::regclass::text AS target, greatest(c.reltuples, 0)::float8 AS rows
     FROM pg_constraint k
     JOIN pg_class c ON c.oid = k.conrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE k.contype = 'f' AND k.conparentid = 0 AND n.nspname = ANY ($1)
       AND NOT EXISTS (
         SELECT FROM pg_index i
         WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL
           AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)
     ORDER BY 1, 2, 3`,
    [schemas],
  );
  return rows.map(({ schema, name, columns, target, rows: count }) => ({
    check: 'foreign-key-index',
    state: count >= felt ? 'warning' : 'info',
    object: `${schema}.${name} (${columns})`,
    problem: `refers to ${target} without an index: each delete there reads the whole table`,
    fix: `CREATE INDEX CONCURRENTLY ON ${quoteTable(schema, name)} (${columns});`,
  }));
}

/** Indexes that cost every write and help no read. */
export async function badIndexes(
  client: DatabaseClient,
  schemas: Schemas,
): Promise<AuditFinding[]> {
  const rows = await client.query<{
    schema: string;
    name: string;
    table: string;
    bytes: string;
    invalid: boolean;
    twin: string | null;
    unused: boolean;
  }>(
    `WITH ours AS (
       SELECT i.*, n.nspname, c.relname, t.relname AS table_name,
              EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid) AS constrains,
              pg_relation_size(i.indexrelid) AS bytes
       FROM pg_index i
       JOIN pg_class c ON c.oid = i.indexrelid
       JOIN pg_class t ON t.oid = i.indrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = ANY ($1) AND c.relkind = 'i')
     SELECT o.nspname AS schema, o.relname AS name, o.table_name AS table, o.bytes,
            NOT o.indisvalid OR NOT o.indisready AS invalid,
            (SELECT min(p.relname) FROM ours p
             WHERE p.indrelid = o.indrelid AND p.indexrelid <> o.indexrelid
               AND p.indkey = o.indkey AND p.indclass = o.indclass AND p.indoption = o.indoption
               AND p.indcollation = o.indcollation AND p.indisvalid
               AND pg_get_expr(p.indpred, p.indrelid) IS NOT DISTINCT FROM pg_get_expr(o.indpred, o.indrelid)
               AND pg_get_expr(p.indexprs, p.indrelid) IS NOT DISTINCT FROM pg_get_expr(o.indexprs, o.indrelid)
               -- Of two twins the one goes that nothing rests on, and then the younger one.
               AND p.indisunique >= o.indisunique
               AND (p.constrains, -p.indexrelid::int8) > (o.constrains, -o.indexrelid::int8)) AS twin,
            s.idx_scan = 0 AND NOT o.indisunique AND NOT o.constrains AND o.bytes > 1048576
              AND t.seq_scan + coalesce(t.idx_scan, 0) > 1000 AS unused
     FROM ours o
     LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = o.indexrelid
     LEFT JOIN pg_stat_all_tables t ON t.relid = o.indrelid
     ORDER BY 1, 2`,
    [schemas],
  );
  return rows.flatMap(({ schema, name, table, bytes, invalid, twin, unused }): AuditFinding[] => {
    const index = quoteTable(schema, name);
    const about = { object: `${schema}.${name}`, fix: `DROP INDEX CONCURRENTLY ${index};` };
    if (invalid) {
      return [
        {
          ...about,
          check: 'invalid-index',
          state: 'warning',
          problem: `on ${table} is invalid: its building was interrupted, no query uses it`,
          fix: `REINDEX INDEX CONCURRENTLY ${index};`,
        },
      ];
    }
    if (twin !== null) {
      const problem = `is the same as ${twin} on ${table} (${formatBytes(Number(bytes))})`;
      return [{ ...about, check: 'duplicate-index', state: 'warning', problem }];
    }
    if (!unused) return [];
    const problem = `on ${table} was never used since statistics began (${formatBytes(Number(bytes))}); replicas may use it`;
    return [{ ...about, check: 'unused-index', state: 'info', problem }];
  });
}

export interface TableSize {
  table: string;
  bytes: number;
  indexBytes: number;
  /** What the planner believes; null when it never counted. */
  rows: number | null;
}

/** Tables by size, the largest first; of a partitioned one the sum of its parts. */
export async function tableSizes(client: DatabaseClient, schemas: Schemas): Promise<TableSize[]> {
  const rows = await client.query<{
    table: string;
    bytes: string;
    index_bytes: string;
    rows: number | null;
  }>(
    `SELECT n.nspname || '.' || c.relname AS table, coalesce(sum(pg_total_relation_size(leaf.relid)), 0) AS bytes,
            coalesce(sum(pg_indexes_size(leaf.relid)), 0) AS index_bytes,
            sum(l.reltuples) FILTER (WHERE l.reltuples >= 0)::float8 AS rows
     FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN LATERAL (
       SELECT c.oid AS relid WHERE c.relkind <> 'p'
       UNION ALL
       SELECT relid FROM pg_partition_tree(c.oid) WHERE c.relkind = 'p' AND isleaf) leaf ON true
     LEFT JOIN pg_class l ON l.oid = leaf.relid AND l.relkind <> 'p'
     WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition
     GROUP BY 1 ORDER BY 2 DESC, 1`,
    [schemas],
  );
  return rows.map((row) => ({
    table: row.table,
    bytes: Number(row.bytes),
    indexBytes: Number(row.index_bytes),
    rows: row.rows,
  }));
}
