import type { Config } from '../../config/schema.js';
import { formatBytes, formatCount } from '../../system/duration.js';
import { type Check, judged, ok, percent, several, skipped, stateOf, unknown } from '../check.js';
import type { DatabaseProbe } from '../database-probe.js';

/** What VACUUM and ANALYZE look after. Statistics that are missing or stale are never judged. */

const mostTransactions = 2 ** 31;

export const wraparound: Check = {
  name: 'wraparound',
  title: 'Transaction id wraparound',
  group: 'database',
  needs: ['database'],
  run: async ({ config, database }) => {
    const probe = await database();
    const rows = await probe.query<{ name: string; xids: number | null; mxids: number | null }>(
      `SELECT datname AS name, age(datfrozenxid) AS xids, mxid_age(datminmxid) AS mxids
       FROM pg_database ORDER BY greatest(age(datfrozenxid), mxid_age(datminmxid)) DESC`,
    );
    const [oldest] = rows;
    if (oldest?.xids == null || oldest.mxids === null) {
      return unknown('the server does not say how old its transaction ids are');
    }
    const used = percent(Math.max(oldest.xids, oldest.mxids), mostTransactions);
    const threshold = config.health.wraparoundPercent;
    return judged(
      stateOf(used, threshold),
      `${used} % used since the last freeze of database ${oldest.name}`,
      {
        value: used,
        unit: 'percent',
        threshold,
        evidence: { database: oldest.name, xidAge: oldest.xids, multixactAge: oldest.mxids },
        runbook: { id: 'vacuum', input: {} },
      },
    );
  },
};

interface TableStatistics {
  name: string;
  /** Of the main fork and what belongs to it. */
  bytes: number;
  pages: number;
  /** -1 when never counted. */
  reltuples: number;
  live: string | null;
  dead: string | null;
  changed: string | null;
  /** Seconds; null when it was never analyzed, by hand or by autovacuum. */
  sinceAnalyze: number | null;
}

/**
 * The tables of the schemas we work in. Partitioned parents hold nothing themselves and are left
 * out. Sizes come from relpages: the functions for sizes would wait for locks.
 */
async function statistics(probe: DatabaseProbe, config: Config): Promise<TableStatistics[]> {
  return probe.query<TableStatistics>(
    `SELECT stat.schemaname || '.' || stat.relname AS name,
            class.relpages::bigint::float8 * current_setting('block_size')::integer AS bytes,
            class.relpages AS pages, class.reltuples, stat.n_live_tup AS live,
            stat.n_dead_tup AS dead, stat.n_mod_since_analyze AS changed,
            extract(epoch FROM now() - greatest(stat.last_analyze, stat.last_autoanalyze))::float8
              AS "sinceAnalyze"
     FROM pg_stat_all_tables stat JOIN pg_class class ON class.oid = stat.relid
     WHERE stat.schemaname = ANY ($1) AND class.relkind IN ('r', 'm')`,
    [[...new Set([config.source.schema, config.serving.schema, 'maintenance'])]],
  );
}

/** A server that forgot its counters (a crash, compute that was suspended) shows zeros. */
const forgotten = ({ live, dead, changed, reltuples, sinceAnalyze }: TableStatistics): boolean =>
  live === null ||
  dead === null ||
  changed === null ||
  (sinceAnalyze === null && Number(live) === 0 && Number(dead) === 0 && reltuples > 0);

const unseen = (tables: readonly TableStatistics[]) =>
  unknown(
    `the server’s statistics are missing for ${several(tables.map(({ name }) => name))}; nothing is concluded from them`,
    {
      evidence: { withoutStatistics: tables.map(({ name }) => name) },
      runbook: { id: 'vacuum', input: { analyze: true } },
    },
  );

export const deadRows: Check = {
  name: 'dead-rows',
  title: 'Dead rows',
  group: 'database',
  needs: ['database'],
  run: async ({ config, database }) => {
    const all = await statistics(await database(), config);
    const { smallestDeadRows, deadRowsPercent: threshold } = config.health;
    const unclear = all.filter(forgotten);
    const found = all
      .filter((table) => !forgotten(table) && Number(table.dead) >= smallestDeadRows)
      .map(({ name, live, dead }) => ({
        name,
        dead: Number(dead),
        share: percent(Number(dead), Number(dead) + Number(live)),
      }))
      .filter(({ share }) => stateOf(share, threshold) !== 'ok')
      .sort((a, b) => b.share - a.share);
    const [most] = found;
    if (most === undefined) {
      if (unclear.length > 0) return unseen(unclear);
      return ok(`no table of ${all.length} has many`, { value: 0, unit: 'percent', threshold });
    }
    return judged(
      stateOf(most.share, threshold),
      `${most.share} % of ${most.name} is dead (${formatCount(most.dead)} rows)${found.length > 1 ? `, and ${found.length - 1} more tables` : ''}`,
      {
        value: most.share,
        unit: 'percent',
        threshold,
        evidence: { tables: found, withoutStatistics: unclear.map(({ name }) => name) },
        runbook: { id: 'vacuum', input: { tables: found.map(({ name }) => name) } },
      },
    );
  },
};

export const staleStatistics: Check = {
  name: 'statistics',
  title: 'Statistics are current',
  group: 'database',
  needs: ['database'],
  run: async ({ config, database }) => {
    const all = await statistics(await database(), config);
    const { smallestDeadRows, analyzeGraceMinutes, changedRowsPercent: threshold } = config.health;
    const unclear = all.filter(forgotten);
    // A table that nobody writes to needs no new statistics, however old they are; and one that was
    // never analyzed while autovacuum is on is new.
    const found = all
      .filter(
        (table) =>
          !forgotten(table) &&
          (table.sinceAnalyze ?? 0) > analyzeGraceMinutes * 60 &&
          Number(table.changed) >= smallestDeadRows,
      )
      .map(({ name, live, changed }) => ({
        name,
        share: percent(Number(changed), Math.max(Number(live), Number(changed))),
      }))
      .filter(({ share }) => stateOf(share, threshold) !== 'ok')
      .sort((a, b) => b.share - a.share);
    const [most] = found;
    if (most === undefined) {
      if (unclear.length > 0) return unseen(unclear);
      return ok(`current for ${all.length} tables`, { value: 0, unit: 'percent', threshold });
    }
    return judged(
      stateOf(most.share, threshold),
      `${most.share} % of ${most.name} changed since ANALYZE${found.length > 1 ? `, and ${found.length - 1} more tables` : ''}`,
      {
        value: most.share,
        unit: 'percent',
        threshold,
        evidence: { tables: found },
        runbook: { id: 'vacuum', input: { tables: found.map(({ name }) => name), analyze: true } },
      },
    );
  },
};

/** Bytes that a page and a row cost beside the data. */
const pageHeader = 24;
const rowHeader = 28;

export const bloat: Check = {
  name: 'bloat',
  title: 'Empty space in tables',
  group: 'database',
  needs: ['database'],
  run: async ({ config, database }) => {
    const probe = await database();
    const { smallestTableMegabytes, bloatPercent: threshold } = config.health;
    const large = (await statistics(probe, config)).filter(
      ({ bytes }) => bytes >= smallestTableMegabytes * 1e6,
    );
    if (large.length === 0) {
      const limit = formatBytes(smallestTableMegabytes * 1e6);
      return ok(`no table has ${limit}`, { value: 0, unit: 'percent', threshold });
    }
    const widths = await rowWidths(
      probe,
      large.map(({ name }) => name),
    );
    // An estimate from stale statistics is off by as much as they are: better none.
    const reliable = large.filter(
      (table) =>
        !forgotten(table) &&
        table.sinceAnalyze !== null &&
        table.reltuples >= 0 &&
        widths.has(table.name) &&
        Number(table.changed) <= table.reltuples * 0.1,
    );
    const unclear = large.filter((table) => !reliable.includes(table));
    const found = reliable
      .map((table) => ({ name: table.name, ...estimate(table, widths.get(table.name) ?? 0) }))
      .sort((a, b) => b.share - a.share);
    const [most] = found;
    const state = most === undefined ? 'ok' : stateOf(most.share, threshold);
    if (most === undefined || (state === 'ok' && unclear.length > 0)) {
      return skipped(
        `not estimated for ${several(unclear.map(({ name }) => name))}: the statistics are stale or missing`,
        { threshold, evidence: { withheld: unclear.map(({ name }) => name) } },
      );
    }
    const over = found.filter(({ share }) => stateOf(share, threshold) !== 'ok');
    return judged(
      state,
      `${most.share} % of ${most.name} is empty (${formatBytes(most.empty)}), by estimate`,
      {
        value: most.share,
        unit: 'percent',
        threshold,
        evidence: { tables: found, withheld: unclear.map(({ name }) => name) },
        runbook: { id: 'vacuum-full', input: { tables: over.map(({ name }) => name) } },
      },
    );
  },
};

/** Mean bytes of a row’s values, for tables whose statistics may be read. */
async function rowWidths(
  probe: DatabaseProbe,
  names: readonly string[],
): Promise<Map<string, number>> {
  const rows = await probe.query<{ name: string; width: number }>(
    `SELECT schemaname || '.' || tablename AS name,
            sum((1 - null_frac) * avg_width)::float8 AS width
     FROM pg_stats WHERE NOT inherited AND schemaname || '.' || tablename = ANY ($1) GROUP BY 1`,
    [names],
  );
  return new Map(rows.map(({ name, width }) => [name, width]));
}

/** Share and bytes of a table that its rows do not account for. */
function estimate(
  { pages, reltuples, bytes }: TableStatistics,
  width: number,
): { share: number; empty: number } {
  const page = bytes / pages;
  const perPage = Math.max(1, Math.floor((page - pageHeader) / (rowHeader + width)));
  const needed = Math.ceil(reltuples / perPage);
  const empty = Math.max(0, pages - needed);
  return { share: percent(empty, pages), empty: empty * page };
}

export const autovacuum: Check = {
  name: 'autovacuum',
  title: 'Autovacuum is on',
  group: 'database',
  needs: ['database'],
  run: async ({ config, database }) => {
    const probe = await database();
    const settings = await probe.one<{ on: boolean; counts: boolean }>(
      `SELECT current_setting('autovacuum')::boolean AS on,
              current_setting('track_counts')::boolean AS counts`,
    );
    const rows = await probe.query<{ name: string }>(
      `SELECT namespace.nspname || '.' || class.relname AS name
       FROM pg_class class JOIN pg_namespace namespace ON namespace.oid = class.relnamespace,
            LATERAL unnest(class.reloptions) AS option
       WHERE namespace.nspname = ANY ($1) AND option ~* '^autovacuum_enabled=(false|off|no|0|f|n)$'`,
      [[...new Set([config.source.schema, config.serving.schema, 'maintenance'])]],
    );
    const off = rows.map(({ name }) => name);
    const evidence = { ...settings, off };
    if (!settings.on || !settings.counts) {
      return judged('critical', `${settings.on ? 'track_counts' : 'autovacuum'} is off`, {
        evidence,
        runbook: { id: 'vacuum', input: {} },
        next: 'ALTER SYSTEM RESET autovacuum; ALTER SYSTEM RESET track_counts; SELECT pg_reload_conf();',
      });
    }
    return judged(
      off.length > 0 ? 'warning' : 'ok',
      off.length > 0 ? `it is off for ${several(off)}` : 'autovacuum is on',
      { evidence, runbook: { id: 'vacuum', input: off.length > 0 ? { tables: off } : {} } },
    );
  },
};
