import { formatBytes, formatSeconds } from '../../system/duration.js';
import { type Check, judged, ok, percent, several, stateOf, unknown, warning } from '../check.js';

/** What sessions, prepared transactions and slots hold back. */

const vacuum = { id: 'vacuum', input: {} };

interface Session {
  pid: number;
  application: string;
  state: string | null;
  /** Seconds; null for a session without a transaction. */
  seconds: number | null;
  xmin: number | null;
  hidden: boolean;
}

/**
 * Other people’s sessions show themselves only to roles that may see them. One that is about to
 * start has no name yet, and may be our own.
 */
const sessionsSql = `SELECT pid, coalesce(nullif(application_name, ''), 'a session') AS application,
    state, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds,
    age(backend_xmin) AS xmin,
    query = '<insufficient privilege>' AND state IS NULL AS hidden
  FROM pg_stat_activity
  WHERE pid <> pg_backend_pid() AND application_name IS DISTINCT FROM 'reviewops health'
    AND (backend_type = 'client backend' OR backend_type IS NULL)
    AND (state <> 'starting' OR query = '<insufficient privilege>')`;

const mayNotSee = (hidden: number, whatFor: string) =>
  unknown(`the role may not see ${hidden} sessions of others, so ${whatFor} is not known`, {
    evidence: { hidden },
    next: 'GRANT pg_read_all_stats to the role of NEON_DB_URL.',
    runbook: { id: 'database-connection', input: {} },
  });

export const longTransactions: Check = {
  name: 'long-transactions',
  title: 'Long transactions',
  group: 'database',
  needs: ['database'],
  run: async ({ config, database }) => {
    const sessions = await (await database()).query<Session>(sessionsSql);
    const { warning: warn, critical: alarm } = config.health.transactionMinutes;
    const seconds = (minutes: number | null) => (minutes === null ? null : minutes * 60);
    const threshold = { warning: seconds(warn), critical: seconds(alarm) };
    const open = sessions
      .filter((session) => session.seconds !== null)
      .sort((a, b) => (b.seconds ?? 0) - (a.seconds ?? 0));
    const [oldest] = open;
    const longest = oldest?.seconds ?? 0;
    const state = stateOf(longest, threshold);
    const hidden = sessions.filter((session) => session.hidden).length;
    if (state === 'ok' && hidden > 0) return mayNotSee(hidden, 'how long they work');
    return judged(
      state,
      oldest === undefined
        ? 'no other transaction is open'
        : `pid ${oldest.pid} (${oldest.application}, ${oldest.state ?? 'unknown state'}) is open for ${formatSeconds(longest)}`,
      {
        value: longest,
        unit: 'seconds',
        threshold,
        evidence: { transactions: open.slice(0, 10), hidden },
        runbook: vacuum,
        ...(oldest === undefined ? {} : { next: `SELECT pg_terminate_backend(${oldest.pid});` }),
      },
    );
  },
};

export const preparedTransactions: Check = {
  name: 'prepared-transactions',
  title: 'Prepared transactions',
  group: 'database',
  needs: ['database'],
  run: async ({ config, database }) => {
    const rows = await (await database()).query<{
      gid: string;
      owner: string;
      seconds: number;
      xmin: number;
    }>(
      `SELECT gid, owner, extract(epoch FROM clock_timestamp() - prepared)::float8 AS seconds,
              age(transaction) AS xmin
       FROM pg_prepared_xacts ORDER BY prepared`,
    );
    const { warning: warn, critical: alarm } = config.health.preparedMinutes;
    const seconds = (minutes: number | null) => (minutes === null ? null : minutes * 60);
    const threshold = { warning: seconds(warn), critical: seconds(alarm) };
    const [oldest] = rows;
    return judged(
      stateOf(oldest?.seconds ?? 0, threshold),
      oldest === undefined
        ? 'none waits'
        : `${oldest.gid} of ${oldest.owner} waits for ${formatSeconds(oldest.seconds)}`,
      {
        value: oldest?.seconds ?? 0,
        unit: 'seconds',
        threshold,
        evidence: { prepared: rows },
        runbook: vacuum,
        ...(oldest === undefined ? {} : { next: `ROLLBACK PREPARED '${oldest.gid}';` }),
      },
    );
  },
};

interface Holder {
  kind: string;
  name: string;
  age: number | null;
}

export const xminHolders: Check = {
  name: 'xmin-holders',
  title: 'What keeps VACUUM from removing rows',
  group: 'database',
  needs: ['database'],
  run: async ({ config, database }) => {
    const probe = await database();
    const sessions = await probe.query<Session>(sessionsSql);
    const others = await probe.query<Holder>(
      `SELECT 'prepared transaction' AS kind, gid AS name, age(transaction) AS age FROM pg_prepared_xacts
       UNION ALL
       SELECT 'replication slot', slot_name, greatest(age(xmin), age(catalog_xmin))
       FROM pg_replication_slots WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL
       UNION ALL
       SELECT 'standby', coalesce(application_name, pid::text), age(backend_xmin)
       FROM pg_stat_replication WHERE backend_xmin IS NOT NULL`,
    );
    const holders: Holder[] = [
      ...sessions.map(({ pid, application, xmin }) => ({
        kind: 'session',
        name: `pid ${pid} (${application})`,
        age: xmin,
      })),
      ...others,
    ]
      .filter(({ age }) => age !== null)
      .sort((a, b) => (b.age ?? 0) - (a.age ?? 0));
    const [oldest] = holders;
    const millions = (oldest?.age ?? 0) / 1e6;
    const threshold = config.health.xminAgeMillions;
    const state = stateOf(millions, threshold);
    const hidden = sessions.filter((session) => session.hidden).length;
    if (state === 'ok' && hidden > 0) return mayNotSee(hidden, 'what they hold back');
    return judged(
      state,
      oldest === undefined
        ? 'nothing holds it back'
        : `${oldest.kind} ${oldest.name} holds back ${oldest.age} transactions`,
      {
        value: millions,
        unit: 'millions',
        threshold,
        evidence: { holders: holders.slice(0, 10), hidden },
        runbook: vacuum,
      },
    );
  },
};

interface Slot {
  name: string;
  active: boolean;
  wal_status: string | null;
  retained: string | null;
}

export const replicationSlots: Check = {
  name: 'replication-slots',
  title: 'Replication slots',
  group: 'database',
  needs: ['database'],
  run: async ({ config, database }) => {
    const slots = await (await database()).query<Slot>(
      `SELECT slot_name AS name, active, wal_status,
              CASE WHEN pg_is_in_recovery() THEN NULL
                   ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) END AS retained
       FROM pg_replication_slots`,
    );
    const { warning: warn, critical: alarm } = config.health.slotRetainedMegabytes;
    const bytes = (megabytes: number | null) => (megabytes === null ? null : megabytes * 1e6);
    const threshold = { warning: bytes(warn), critical: bytes(alarm) };
    if (slots.length === 0) return ok('there is none', { value: 0, unit: 'bytes', threshold });
    const lost = slots.filter(({ wal_status }) => wal_status === 'lost').map(({ name }) => name);
    const inactive = slots.filter(({ active }) => !active).map(({ name }) => name);
    const retained = Math.max(0, ...slots.map((slot) => Number(slot.retained ?? 0)));
    const shared = {
      value: retained,
      unit: 'bytes' as const,
      threshold,
      evidence: { slots },
      runbook: vacuum,
      next: `SELECT pg_drop_replication_slot('${lost[0] ?? inactive[0] ?? ''}'); when nobody needs it any more.`,
    };
    if (lost.length > 0) return judged('critical', `lost their log: ${several(lost)}`, shared);
    const state = stateOf(retained, threshold);
    if (state !== 'ok')
      return judged(state, `${formatBytes(retained)} of log are kept back`, shared);
    if (inactive.length > 0) return warning(`nobody reads ${several(inactive)}`, shared);
    const unclear = slots.filter((slot) => slot.retained === null).map(({ name }) => name);
    if (unclear.length > 0) {
      return unknown(`the server does not say what ${several(unclear)} keeps back`, shared);
    }
    return judged('ok', `${slots.length} in use, ${formatBytes(retained)} kept back`, shared);
  },
};

export const connections: Check = {
  name: 'connections',
  title: 'Connections in use',
  group: 'database',
  needs: ['database'],
  run: async ({ config, database }) => {
    const { used, most } = await (await database()).one<{ used: number | null; most: number }>(
      `SELECT (SELECT sum(numbackends) FROM pg_stat_database)::integer AS used,
              current_setting('max_connections')::integer
                - current_setting('superuser_reserved_connections')::integer AS most`,
    );
    if (used === null) return unknown('the server does not count its connections');
    const share = percent(used, most);
    const threshold = config.health.connectionsPercent;
    return judged(stateOf(share, threshold), `${used} of ${most}`, {
      value: share,
      unit: 'percent',
      threshold,
      evidence: { used, most },
      runbook: { id: 'slow-at-peak', input: {} },
    });
  },
};
