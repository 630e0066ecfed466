import type { DatabaseClient } from '../database/client.js';
import { formatSeconds } from '../system/duration.js';

/** What keeps VACUUM from removing rows that are dead: they may still be visible to it. */
export interface Blocker {
  kind: 'session' | 'prepared transaction' | 'replication slot';
  /** The pid, the gid or the slot's name. */
  name: string;
  /** Who it is, in words: user, application, state. */
  who: string;
  /** Transactions since what it still sees. */
  transactions: number;
  /** Seconds it has been there; null where the server does not say. */
  seconds: number | null;
  /** Since when it has seen this database as it was; null for others' and where nobody says. */
  since: string | null;
  /** What ends it, for psql. */
  cure: string;
}

export interface Blockers {
  /** The oldest view first. */
  blockers: Blocker[];
  /** Whether this role sees what other users' sessions hold; if not, there may be more. */
  complete: boolean;
}

interface Row {
  kind: Blocker['kind'];
  name: string;
  who: string;
  transactions: number;
  seconds: number | null;
  since: Date | null;
  autovacuum: boolean;
  elsewhere: string | null;
}

// The horizon of a database: its own sessions and those of no database (replication), prepared
// transactions, and slots. Vacuums do not hold each other up. A full vacuum ($1) looks through a
// snapshot of its own, for which whatever writes in any other database of the server is under way.
const sql = `
  SELECT 'session' AS kind, a.pid::text AS name,
         concat_ws(', ', a.usename, nullif(a.application_name, ''), host(a.client_addr),
                   CASE WHEN a.backend_type <> 'client backend' THEN a.backend_type END, a.state,
                   'in database ' || o.elsewhere) AS who,
         CASE WHEN o.elsewhere IS NULL THEN greatest(age(a.backend_xmin), age(a.backend_xid))
              ELSE age(a.backend_xid) END::int AS transactions,
         extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.backend_start))::float8 AS seconds,
         CASE WHEN o.elsewhere IS NOT NULL THEN NULL
              WHEN a.state = 'active' THEN a.query_start ELSE a.xact_start END AS since,
         a.backend_type = 'autovacuum worker' AS autovacuum, o.elsewhere
  FROM pg_stat_activity a,
       LATERAL (SELECT CASE WHEN a.datname <> current_database() AND a.backend_type <> 'walsender'
                            THEN a.datname END AS elsewhere) o
  WHERE a.pid <> pg_backend_pid()
    AND (a.datname = current_database() OR a.backend_type = 'walsender'
         OR $1 AND o.elsewhere IS NOT NULL AND age(a.backend_xid) > 0)
    AND greatest(age(a.backend_xmin), age(a.backend_xid)) > 0
    AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid)
  UNION ALL
  SELECT 'prepared transaction', p.gid,
         concat_ws(', ', p.owner, 'in database ' || o.elsewhere), age(p.transaction)::int,
         extract(epoch FROM clock_timestamp() - p.prepared)::float8,
         CASE WHEN o.elsewhere IS NULL THEN p.prepared END, false, o.elsewhere
  FROM pg_prepared_xacts p,
       LATERAL (SELECT CASE WHEN p.database <> current_database() THEN p.database END AS elsewhere) o
  WHERE $1 OR o.elsewhere IS NULL
  UNION ALL
  SELECT 'replication slot', r.slot_name::text,
         concat_ws(', ', r.slot_type, CASE WHEN r.active THEN 'in use' ELSE 'not in use' END,
                   CASE WHEN r.xmin IS NULL THEN 'system catalogs only' END),
         greatest(age(r.xmin), age(r.catalog_xmin))::int, NULL, NULL, false,
         NULL
  FROM pg_replication_slots r
  WHERE greatest(age(r.xmin), age(r.catalog_xmin)) > 0
  ORDER BY transactions DESC, name`;

/**
 * Finds them; nothing is shown of what their queries say. `full`: for a full vacuum, which those
 * who write in other databases of the server hold up as well.
 */
export async function findBlockers(
  client: DatabaseClient,
  { full = false }: { full?: boolean } = {},
): Promise<Blockers> {
  const rows = await client.query<Row>(sql, [full]);
  const [role] = await client.query<{ sees: boolean }>(
    "SELECT pg_has_role('pg_read_all_stats', 'USAGE') AS sees",
  );
  return {
    blockers: rows.map((row) => {
      const { autovacuum: _, elsewhere: _elsewhere, ...blocker } = row;
      return { ...blocker, since: row.since?.toISOString() ?? null, cure: cureOf(row) };
    }),
    complete: role?.sees === true,
  };
}

function cureOf({ kind, name, autovacuum, elsewhere }: Row): string {
  // It does the very work; killed, it begins anew.
  if (autovacuum) return '-- autovacuum at work: wait for it';
  switch (kind) {
    case 'session':
      return `SELECT pg_terminate_backend(${name});`;
    case 'prepared transaction':
      return `ROLLBACK PREPARED '${name.replaceAll("'", "''")}';${elsewhere === null ? '' : ` -- in database ${elsewhere}`}`;
    case 'replication slot':
      return `SELECT pg_drop_replication_slot('${name.replaceAll("'", "''")}');`;
  }
}

/** `session 4711 (ada, psql, idle in transaction) for 3h 12m, 1,204 transactions ago`. */
export function describeBlocker(blocker: Blocker): string {
  const { kind, name, who, seconds, transactions } = blocker;
  const since = seconds === null ? '' : ` for ${formatSeconds(seconds)}`;
  const label = kind === 'session' ? `session with pid ${name}` : `${kind} ${name}`;
  return `${label} (${who})${since}, ${transactions} ${transactions === 1 ? 'transaction' : 'transactions'} back`;
}

/**
 * Whether nothing of what is dead in a table can be removed: somebody has been watching since
 * before its last vacuum, which left only what that one may still see.
 */
export const removesNothing = (
  table: { lastVacuum: Date | null; deadTuples: number | null },
  blockers: readonly Blocker[],
): boolean =>
  table.lastVacuum !== null &&
  table.deadTuples !== 0 &&
  blockers.some(
    ({ since }) =>
      since !== null && table.lastVacuum !== null && new Date(since) < table.lastVacuum,
  );
