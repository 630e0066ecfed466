import type { Config } from '../../config/schema.js';
import { quoteIdentifier, quoteTable } from '../../database/identifiers.js';
import { formatCount, formatSeconds } from '../../system/duration.js';
import {
  type Check,
  critical,
  type Finding,
  judged,
  ok,
  several,
  skipped,
  stateOf,
  warning,
} from '../check.js';
import type { DatabaseProbe } from '../database-probe.js';

/** What readers get: whether it is the newest batch, whole, and not too old. */

const group = 'serving';

/** Pages up to which a table is read through; more would make the watcher a load. */
const mostPages = 20_000;

interface Load {
  batch_id: string;
  rows: string;
  snapshot_at: Date;
}

const loadsSql = 'SELECT batch_id, rows, snapshot_at FROM maintenance.fact_loads ORDER BY 3 DESC';

export const servedBatch: Check = {
  name: 'served-batch',
  title: 'The newest gold is served',
  group,
  needs: ['database', 'lake'],
  run: async ({ database, lake }) => {
    const [load] = await (await database()).query<Load>(loadsSql);
    const survey = await lake();
    const recent = await survey.recent();
    const newest = recent.find(({ layers }) => layers.includes('gold'))?.batchId;
    const evidence = { served: load?.batch_id ?? null, newestGold: newest ?? null };
    if (newest === undefined) {
      if (load === undefined) return skipped('no gold was made yet', { evidence });
      if (survey.batchIds.length > 0) {
        return skipped(`${load.batch_id} is served; the newest batches have no gold yet`, {
          evidence,
        });
      }
      return critical(`${load.batch_id} is served, and the lake holds no batch at all`, {
        evidence,
        runbook: { id: 'parquet-not-found', input: { batchId: load.batch_id } },
        next: 'Check lake.path and the disk or buckets behind it.',
      });
    }
    const cure = {
      evidence,
      runbook: { id: 'inconsistent-rows', input: { batchId: newest } },
      next: `Run \`reviewops pipeline load --batch-id ${newest}\`.`,
    };
    if (load === undefined) return critical(`nothing is served; ${newest} is not loaded`, cure);
    return load.batch_id === newest
      ? ok(`${newest} is served`, { evidence })
      : warning(`${load.batch_id} is served; ${newest} is newer`, cure);
  },
};

export const servedRows: Check = {
  name: 'served-rows',
  title: 'Rows served as loaded',
  group,
  needs: ['database'],
  run: async ({ config, database }) => {
    const probe = await database();
    const { schema, table } = config.serving;
    const [load] = await probe.query<Load>(loadsSql);
    const { pages } = await probe.one<{ pages: number }>(
      `SELECT coalesce(sum(leaf.relpages), 0)::float8 AS pages
       FROM pg_partition_tree($1::regclass) tree JOIN pg_class leaf ON leaf.oid = tree.relid`,
      [quoteTable(schema, table)],
    );
    if (pages > mostPages) return skipped('too large to be counted at each look');
    const { rows } = await probe.one<{ rows: string }>(
      `SELECT count(*) AS rows FROM ${quoteTable(schema, table)}`,
    );
    const expected = Number(load?.rows ?? 0);
    const evidence = { rows: Number(rows), loaded: expected };
    const shared = { value: Number(rows), unit: 'count' as const, evidence };
    if (load === undefined && Number(rows) === 0) return skipped('nothing was loaded yet', shared);
    if (Number(rows) === expected) return ok(`${formatCount(expected)} rows`, shared);
    // An erasure or a correction takes single rows; a lost partition takes all of them.
    const state = Number(rows) === 0 ? 'critical' : 'warning';
    return judged(
      state,
      `${formatCount(Number(rows))} rows in place of the ${formatCount(expected)} that were loaded`,
      { ...shared, runbook: { id: 'inconsistent-rows', input: {} } },
    );
  },
};

interface View {
  name: string;
  populated: boolean | null;
}

export const views: Check = {
  name: 'views',
  title: 'Materialised views',
  group,
  needs: ['database'],
  run: async ({ config, database }) => {
    const { schema, table, refreshViews } = config.serving;
    if (refreshViews.length === 0) return skipped('none is configured');
    const probe = await database();
    const found = await probe.query<View>(
      `SELECT name, class.relispopulated AS populated
       FROM unnest($1::text[]) AS name
       LEFT JOIN pg_class class ON class.relname = name AND class.relkind = 'm'
         AND class.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $2)`,
      [refreshViews, schema],
    );
    const runbook = { id: 'inconsistent-rows', input: {} };
    const named = (test: (view: View) => boolean) => found.filter(test).map(({ name }) => name);
    const missing = named(({ populated }) => populated === null);
    if (missing.length > 0) {
      const cure = { id: 'relation-not-found', input: {} };
      return critical(`not there: ${several(missing)}`, { evidence: { missing }, runbook: cure });
    }
    const never = named(({ populated }) => populated === false);
    if (never.length > 0) {
      return critical(`never filled: ${several(never)}`, { evidence: { never }, runbook });
    }
    const [filled] = await probe.query<{ facts: boolean }>(
      `SELECT EXISTS (SELECT FROM ${quoteTable(schema, table)}) AS facts`,
    );
    const counts = await probe.query<{ name: string; filled: boolean }>(
      found
        .map(
          ({ name }, index) =>
            `SELECT $${index + 1}::text AS name, EXISTS (SELECT FROM ${quoteTable(schema, name)}) AS filled`,
        )
        .join(' UNION ALL '),
      refreshViews,
    );
    const old = counts.filter((view) => view.filled !== filled?.facts).map(({ name }) => name);
    if (old.length > 0) {
      const summary =
        filled?.facts === true
          ? `empty, and ${table} is not: ${several(old)}`
          : `filled, and ${table} is empty: ${several(old)}`;
      return critical(summary, { evidence: { old }, runbook });
    }
    return summaryAge(probe, config, found.length);
  },
};

/** Whether the summary of products counts the rows that were loaded. */
async function summaryAge(
  probe: DatabaseProbe,
  { serving }: Config,
  views: number,
): Promise<Finding> {
  const name = 'product_summary';
  if (!serving.refreshViews.includes(name)) return ok(`${views} filled`);
  const { counted, loaded } = await probe.one<{ counted: string | null; loaded: string | null }>(
    `SELECT (SELECT sum(reviews) FROM ${quoteTable(serving.schema, name)}) AS counted,
            (SELECT sum(rows) FROM maintenance.fact_loads) AS loaded`,
  );
  const evidence = { counted: Number(counted ?? 0), loaded: Number(loaded ?? 0) };
  if (evidence.counted === evidence.loaded)
    return ok(`${views} as new as what is served`, { evidence });
  return warning(
    `${name} counts ${formatCount(evidence.counted)} reviews; ${formatCount(evidence.loaded)} were loaded`,
    {
      evidence,
      runbook: { id: 'inconsistent-rows', input: {} },
      next: `REFRESH MATERIALIZED VIEW CONCURRENTLY ${serving.schema}.${name};`,
    },
  );
}

export const freshness: Check = {
  name: 'freshness',
  title: 'What is served keeps up with the source',
  group,
  needs: ['database'],
  run: async ({ config, database, now }) => {
    const probe = await database();
    const { source } = config;
    const { table, created_at: column } = source.entities.review;
    if (column === null) return skipped('the source does not say when a review was written');
    const [load] = await probe.query<Load>(loadsSql);
    if (load === undefined) return skipped('nothing was loaded yet');
    const { pages, indexed } = await probe.one<{ pages: number; indexed: boolean }>(
      `SELECT relpages AS pages, EXISTS (
         SELECT FROM pg_index index JOIN pg_attribute attribute
           ON attribute.attrelid = index.indrelid AND attribute.attnum = index.indkey[0]
         WHERE index.indrelid = class.oid AND index.indisvalid AND attribute.attname = $2) AS indexed
       FROM pg_class class WHERE class.oid = $1::regclass`,
      [quoteTable(source.schema, table), column],
    );
    if (pages > mostPages && !indexed) {
      return skipped(`${table} is large, and ${column} has no index to look it up by`);
    }
    const { newest } = await probe.one<{ newest: Date | null }>(
      `SELECT max(${quoteIdentifier(column)})::timestamptz AS newest FROM ${quoteTable(source.schema, table)}
       WHERE ${quoteIdentifier(column)} <= $1`,
      [now()],
    );
    const evidence = { newest, snapshotAt: load.snapshot_at };
    const threshold = config.health.lagHours;
    // An empty source, or an old one, is not stale: nothing in it waits to be served.
    if (newest === null) return ok('the source holds no review', { evidence, threshold });
    const seconds = Math.max(0, (newest.getTime() - load.snapshot_at.getTime()) / 1000);
    return judged(
      stateOf(seconds / 3600, threshold),
      seconds === 0 ? 'nothing newer waits' : `the source is ${formatSeconds(seconds)} ahead`,
      {
        value: Math.round((seconds / 3600) * 100) / 100,
        unit: 'hours',
        threshold,
        evidence,
        runbook: { id: 'parquet-not-found', input: {} },
        next: 'Run `reviewops pipeline run`.',
      },
    );
  },
};
