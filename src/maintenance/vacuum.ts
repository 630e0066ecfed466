import { setTimeout as delay } from 'node:timers/promises';
import type { DatabaseClient } from '../database/client.js';
import { quoteTable } from '../database/identifiers.js';

export interface VacuumOptions {
  full: boolean;
  analyze: boolean;
  /** A second connection, for progress; the first one is busy. */
  watch: DatabaseClient;
  /** Warnings of the server. */
  onNotice(text: string): void;
  /** Bytes of the table's pages. */
  onProgress(done: number, total: number): void;
}

/**
 * Vacuums one table. A plain vacuum lets readers and writers go on; a full one locks them out.
 * Not in a transaction, so it works through a pooler too, where the lock timeout is the server's.
 */
export async function vacuumTable(
  client: DatabaseClient,
  table: { schema: string; name: string; oid: string },
  options: VacuumOptions,
): Promise<void> {
  const words = [options.full ? 'FULL' : '', options.analyze ? 'ANALYZE' : ''].filter(Boolean);
  const how = words.length === 0 ? '' : `(${words.join(', ')}) `;
  const finished = new AbortController();
  const watching = watchProgress(table.oid, options, finished.signal);
  try {
    await client.use(async (connection) => {
      const listen = ({ message }: { message?: string | undefined }) =>
        options.onNotice(message ?? '');
      connection.on('notice', listen);
      try {
        await connection.query(`VACUUM ${how}${quoteTable(table.schema, table.name)}`);
      } finally {
        connection.off('notice', listen);
      }
    });
  } finally {
    finished.abort();
    await watching;
  }
}

const progressSql = `
  SELECT heap_blks_scanned AS done, heap_blks_total AS total
  FROM pg_stat_progress_vacuum WHERE relid = $1::oid
  UNION ALL
  SELECT heap_blks_scanned, heap_blks_total FROM pg_stat_progress_cluster WHERE relid = $1::oid`;

const progressMilliseconds = 500;
const pageBytes = 8192;

async function watchProgress(
  oid: string,
  { watch, onProgress }: VacuumOptions,
  finished: AbortSignal,
): Promise<void> {
  while (!finished.aborted) {
    await delay(progressMilliseconds, undefined, { signal: finished }).catch(() => undefined);
    if (finished.aborted) return;
    try {
      const [row] = await watch.query<{ done: string; total: string }>(progressSql, [oid]);
      if (row !== undefined)
        onProgress(Number(row.done) * pageBytes, Number(row.total) * pageBytes);
    } catch {
      // Progress is a courtesy: what ends the vacuum is reported by the vacuum.
      return;
    }
  }
}

/** Statistics of partitioned tables as wholes, which no vacuum of a partition gathers. */
export async function analyzeParents(
  client: DatabaseClient,
  parents: readonly string[],
): Promise<void> {
  for (const parent of parents) {
    const dot = parent.indexOf('.');
    await client.execute(`ANALYZE ${quoteTable(parent.slice(0, dot), parent.slice(dot + 1))}`);
  }
}

/** The position of the last checkpoint; undefined where this role may not make or see one. */
export async function checkpointPosition(client: DatabaseClient): Promise<string | undefined> {
  const [may] = await client.query<{ may: boolean }>(
    `SELECT has_function_privilege('pg_control_checkpoint()', 'EXECUTE')
       AND CASE WHEN current_setting('server_version_num')::int >= 150000
                THEN coalesce((SELECT pg_has_role(oid, 'USAGE') FROM pg_roles WHERE rolname = 'pg_checkpoint'), false)
                ELSE (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) END AS may`,
  );
  if (may?.may !== true) return undefined;
  const [row] = await client.query<{ lsn: string }>(
    'SELECT checkpoint_lsn::text AS lsn FROM pg_control_checkpoint()',
  );
  return row?.lsn;
}

export interface MaterializedView {
  /** `schema.name`. */
  view: string;
  schema: string;
  name: string;
  /** Changes with each refresh. */
  version: string;
  populated: boolean;
  /** Whether it can be refreshed while it is read: it is filled and has a unique index. */
  concurrently: boolean;
  allowed: boolean;
}

/** The materialised views of the schemas, by name. */
export async function materializedViews(
  client: DatabaseClient,
  schemas: readonly string[],
): Promise<MaterializedView[]> {
  const rows = await client.query<Omit<MaterializedView, 'view'>>(
    `SELECT n.nspname AS schema, c.relname AS name, c.xmin::text AS version,
            c.relispopulated AS populated,
            c.relispopulated AND EXISTS (
              SELECT FROM pg_index i
              WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
                AND i.indpred IS NULL AND i.indexprs IS NULL) AS concurrently,
            pg_has_role(c.relowner, 'USAGE') AS allowed
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1::text[]) AND c.relkind = 'm'
     ORDER BY n.nspname, c.relname`,
    [[...new Set(schemas)]],
  );
  return rows.map((row) => ({ ...row, view: `${row.schema}.${row.name}` }));
}

/** Refreshes a view; readers go on only when it is done concurrently. */
export const refreshView = async (
  client: DatabaseClient,
  { schema, name, concurrently }: Pick<MaterializedView, 'schema' | 'name' | 'concurrently'>,
): Promise<void> => {
  await client.execute(
    `REFRESH MATERIALIZED VIEW ${concurrently ? 'CONCURRENTLY ' : ''}${quoteTable(schema, name)}`,
  );
};
