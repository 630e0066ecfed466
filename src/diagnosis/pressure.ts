import type { DatabaseClient } from '../database/client.js';
import type { RunWithMean } from '../pipeline/history.js';

export interface StageTrend {
  stage: string;
  seconds: number;
  /** Mean of the same stage in the earlier runs that succeeded; null without any. */
  meanSeconds: number | null;
  rowsIn: number;
  meanRowsIn: number | null;
}

/** Each stage of the newest run against the same stage before; slowest growth first. */
export function stageTrends(runs: readonly RunWithMean[]): StageTrend[] {
  const [last, ...earlier] = runs.filter(({ stages }) => stages.length > 0);
  if (last === undefined) return [];
  const succeeded = earlier.filter(({ status }) => status === 'succeeded').slice(0, 20);
  const mean = (values: number[]): number | null =>
    values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  const growth = ({ seconds, meanSeconds }: StageTrend): number =>
    seconds - (meanSeconds ?? seconds);
  return last.stages
    .map(({ stage, seconds, rowsIn }) => {
      const same = succeeded.flatMap((run) => run.stages.filter((one) => one.stage === stage));
      return {
        stage,
        seconds,
        rowsIn,
        meanSeconds: mean(same.map((one) => one.seconds)),
        meanRowsIn: mean(same.map((one) => one.rowsIn)),
      };
    })
    .sort((a, b) => growth(b) - growth(a));
}

export interface SessionPressure {
  connections: number;
  maxConnections: number;
  active: number;
  waitingForLocks: number;
  /** Seconds; 0 without any open transaction. */
  longestTransactionSeconds: number;
  /** Its backend; null without any. */
  longestTransactionPid: number | null;
  longestTransactionState: string | null;
  longestTransactionApplication: string | null;
  /** Whether the role may not see what some of them do. */
  hidden: boolean;
}

/** What the sessions of this database do right now. Ours is left out. */
export async function sessionPressure(client: DatabaseClient): Promise<SessionPressure> {
  const [row] = await client.query<{
    connections: number;
    max_connections: number;
    active: number;
    waiting: number;
    hidden: boolean;
  }>(
    `SELECT count(*)::int AS connections, current_setting('max_connections')::int AS max_connections,
            count(*) FILTER (WHERE state = 'active')::int AS active,
            count(*) FILTER (WHERE wait_event_type = 'Lock')::int AS waiting,
            coalesce(bool_or(query = '<insufficient privilege>'), false) AS hidden
     FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`,
  );
  const [longest] = await client.query<{
    pid: number;
    seconds: number;
    state: string | null;
    application: string | null;
  }>(
    `SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds, state,
            application_name AS application
     FROM pg_stat_activity
     WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database()
       AND backend_type = 'client backend'
     ORDER BY xact_start LIMIT 1`,
  );
  return {
    connections: row?.connections ?? 0,
    maxConnections: row?.max_connections ?? 0,
    active: row?.active ?? 0,
    waitingForLocks: row?.waiting ?? 0,
    hidden: row?.hidden ?? true,
    longestTransactionSeconds: Math.round(longest?.seconds ?? 0),
    longestTransactionPid: longest?.pid ?? null,
    longestTransactionState: longest?.state ?? null,
    longestTransactionApplication: longest?.application ?? null,
  };
}

/**
 * Tables with many dead rows, worst first, and those of which nothing is known: a server that
 * forgot its counters (a crash, compute that was suspended) shows zeros. Asks no function for
 * sizes, which would wait for locks.
 */
export async function deadTables(
  client: DatabaseClient,
  schemas: readonly string[],
  { rows, share }: { rows: number; share: number },
): Promise<{ tables: string[]; unknown: string[] }> {
  const found = await client.query<{ name: string; forgotten: boolean }>(
    `SELECT name, forgotten
     FROM (SELECT stat.schemaname || '.' || stat.relname AS name, n_live_tup AS live, n_dead_tup AS dead,
                  n_live_tup + n_dead_tup = 0 AND class.reltuples > 0
                    AND coalesce(last_analyze, last_autoanalyze) IS NULL AS forgotten
           FROM pg_stat_user_tables stat JOIN pg_class class ON class.oid = stat.relid
           WHERE stat.schemaname = ANY ($1::text[]) AND class.relkind IN ('r', 'm')) AS tables
     WHERE forgotten OR (dead > $2 AND dead > $3::float8 * (live + dead))
     ORDER BY dead DESC, name`,
    [schemas, rows, share],
  );
  const names = (wanted: boolean) =>
    found.filter(({ forgotten }) => forgotten === wanted).map(({ name }) => name);
  return { tables: names(false), unknown: names(true) };
}
