import type { DatabaseClient } from '../database/client.js';

/** A table that holds rows itself, as the server's statistics and sizes have it. */
export interface TableStatistics {
  /** `schema.name`. */
  table: string;
  schema: string;
  name: string;
  /** The partitioned table it is a part of, `schema.name`. */
  parent: string | null;
  kind: 'table' | 'materialized view';
  oid: string;
  /** The file that holds the rows; a full vacuum writes another. */
  filenode: string;
  heapBytes: number;
  /** With indexes and out-of-line values. */
  totalBytes: number;
  liveTuples: number | null;
  /** Null when the server has lost its statistics, or they are too old to say. */
  deadTuples: number | null;
  /** How often it was vacuumed by hand since the statistics began. */
  vacuumCount: number;
  lastVacuum: Date | null;
  /** Mean duration of its vacuums; null before the first and where the server does not say. */
  meanVacuumSeconds: number | null;
  /** Whether this role may vacuum it. */
  allowed: boolean;
}

interface Row {
  schema: string;
  name: string;
  parent: string | null;
  relkind: string;
  oid: string;
  filenode: string | null;
  heap_bytes: string;
  total_bytes: string;
  estimated_rows: number;
  live: string | null;
  dead: string | null;
  writes: string | null;
  vacuum_count: string | null;
  vacuums: string | null;
  last_vacuum: Date | null;
  analyzed: boolean | null;
  vacuum_milliseconds: number | null;
  allowed: boolean;
}

// Through jsonb, since servers before 18 do not count the time, and before 17 know no MAINTAIN.
const sql = `
  SELECT n.nspname AS schema, c.relname AS name, c.relkind, c.oid::text AS oid,
         pg_relation_filenode(c.oid)::text AS filenode,
         CASE WHEN c.relispartition THEN (
           SELECT rn.nspname || '.' || r.relname
           FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace
           WHERE r.oid = pg_partition_root(c.oid)) END AS parent,
         pg_relation_size(c.oid) AS heap_bytes, pg_total_relation_size(c.oid) AS total_bytes,
         c.reltuples::float8 AS estimated_rows,
         s.n_live_tup AS live, s.n_dead_tup AS dead,
         s.n_tup_ins + s.n_tup_upd + s.n_tup_del AS writes,
         s.vacuum_count, s.vacuum_count + s.autovacuum_count AS vacuums,
         greatest(s.last_vacuum, s.last_autovacuum) AS last_vacuum,
         s.last_analyze IS NOT NULL OR s.last_autoanalyze IS NOT NULL AS analyzed,
         (to_jsonb(s) ->> 'total_vacuum_time')::float8
           + (to_jsonb(s) ->> 'total_autovacuum_time')::float8 AS vacuum_milliseconds,
         pg_has_role(c.relowner, 'USAGE')
           OR pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE')
           OR has_table_privilege(c.oid, CASE WHEN current_setting('server_version_num')::int >= 170000
                                              THEN 'MAINTAIN' ELSE 'TRUNCATE' END)
              AND current_setting('server_version_num')::int >= 170000 AS allowed
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
  WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
  ORDER BY n.nspname, c.relname`;

/** Every table and materialised view of the schemas, by name; partitions instead of their parents. */
export async function tableStatistics(
  client: DatabaseClient,
  schemas: readonly string[],
): Promise<TableStatistics[]> {
  const rows = await client.query<Row>(sql, [[...new Set(schemas)]]);
  return rows.map((row) => ({
    table: `${row.schema}.${row.name}`,
    schema: row.schema,
    name: row.name,
    parent: row.parent,
    kind: row.relkind === 'm' ? 'materialized view' : 'table',
    oid: row.oid,
    filenode: row.filenode ?? '0',
    heapBytes: Number(row.heap_bytes),
    totalBytes: Number(row.total_bytes),
    ...tuples(row),
    vacuumCount: Number(row.vacuum_count ?? 0),
    lastVacuum: row.last_vacuum,
    meanVacuumSeconds:
      row.vacuum_milliseconds === null || Number(row.vacuums) === 0
        ? null
        : row.vacuum_milliseconds / Number(row.vacuums) / 1000,
    allowed: row.allowed,
  }));
}

/**
 * Counters that began after the rows were written (a crash, a suspended compute, a reset) say
 * nothing about them: what they cannot know is null, not 0.
 */
function tuples(row: Row): Pick<TableStatistics, 'liveTuples' | 'deadTuples'> {
  const [live, dead, writes] = [Number(row.live), Number(row.dead), Number(row.writes)];
  const seen = writes > 0 || Number(row.vacuums) > 0 || row.analyzed === true;
  const lost = row.live === null || (!seen && Number(row.heap_bytes) > 0);
  const outdated = row.estimated_rows > 0 && live + dead < row.estimated_rows / 2;
  return lost || outdated
    ? { liveTuples: null, deadTuples: null }
    : { liveTuples: live, deadTuples: dead };
}

/** Share of the table's pages that a vacuum makes usable again, in bytes; null when unknown. */
export const expectedGain = ({
  liveTuples,
  deadTuples,
  heapBytes,
}: Pick<TableStatistics, 'liveTuples' | 'deadTuples' | 'heapBytes'>): number | null =>
  liveTuples === null || deadTuples === null || liveTuples + deadTuples === 0
    ? null
    : Math.round((deadTuples / (liveTuples + deadTuples)) * heapBytes);
