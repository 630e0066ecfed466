import { z } from 'zod';
import { formatBytes, formatCount, formatSeconds } from '../system/duration.js';
import { defineRunbook, type Finding } from './engine/definition.js';
import { databaseOf, reading } from './support/context.js';
import { deadRowsFinding } from './support/dead-rows.js';
import { abridge, orUnknown, recentRuns } from './support/evidence.js';

const inputs = z.strictObject({});

/** A run this much longer than its mean is slow. */
const slowRatio = 1.5;
/** Seconds: an answer to SELECT 1, and an open transaction. */
const slowAnswer = 0.1;
const longTransaction = 300;

export default defineRunbook({
  module: import.meta.url,
  id: 'slow-at-peak',
  title: 'Everything is slow at peak hours',
  summary:
    'Measures where the time goes: the last run against its mean and stage by stage, the size of the lake, the latency of the database, its sessions, locks and dead rows. Reads only, and leads to what cures it.',
  symptoms: [
    'slow at peak hours',
    'everything is slow',
    'slow in the evening',
    'pipeline takes longer than usual',
    'run takes too long',
    'high latency',
    'queries hang',
    'waiting for a lock',
    'database is slow',
    'too many connections',
    'API p95 above 2 seconds',
  ],
  tags: ['performance', 'database', 'pipeline', 'lake'],
  roles: ['admin', 'data-engineer', 'analyst'],
  risk: 'read',
  inputs,
  targets: () => [],
  steps: [
    {
      kind: 'check',
      id: 'run',
      title: 'Was the last run slower than usual?',
      why: 'Compared with the mean of the runs of the same kind: slow is a matter of habit. More rows take more time and are no fault.',
      manual: () => 'reviewops pipeline status',
      run: (context) =>
        orUnknown(async (): Promise<Finding> => {
          const { stageTrends } = await import('../diagnosis/pressure.js');
          const runs = await recentRuns(context, undefined, 30);
          const [last] = runs;
          if (last === undefined || last.seconds === null) {
            return { state: 'unknown', summary: 'No run has ended yet.' };
          }
          const trends = stageTrends(runs);
          const evidence = {
            runId: last.runId,
            seconds: last.seconds,
            meanSeconds: last.meanSeconds,
            ratio: last.ratio,
            stages: trends.map((trend) => ({ ...trend })),
          };
          if (last.ratio === null) {
            return {
              state: 'unknown',
              summary: 'There is no earlier run to compare with.',
              evidence,
            };
          }
          const [worst] = trends;
          const where =
            worst === undefined
              ? ''
              : ` Most in ${worst.stage}: ${formatSeconds(worst.seconds)} for ${formatCount(worst.rowsIn)} rows${worst.meanSeconds === null ? '' : `, usually ${formatSeconds(worst.meanSeconds)} for ${formatCount(Math.round(worst.meanRowsIn ?? 0))}`}.`;
          return {
            state: last.ratio > slowRatio ? 'warning' : 'ok',
            summary: `${formatSeconds(last.seconds)}, ${Math.round(100 * last.ratio)} % of its mean.${where}`,
            evidence,
          };
        }),
    },
    {
      kind: 'check',
      id: 'lake',
      title: 'How large is the lake?',
      why: 'Many old batches make listings slow and cost money; a layer in thousands of tiny files makes reading slow.',
      manual: () => 'reviewops batch list',
      run: (context) =>
        orUnknown(async (): Promise<Finding> => {
          const { listBatches } = await import('../lake/batches.js');
          const lake = await context.services.lake();
          const started = performance.now();
          const batches = await listBatches(lake, { now: context.services.now });
          const seconds = (performance.now() - started) / 1000;
          const bytes = batches.reduce((sum, batch) => sum + batch.bytes, 0);
          const { batchDays, keepLast } = context.services.config.retention;
          const oldest = context.services.now().getTime() - batchDays * 86_400_000;
          const old = batches
            .slice(keepLast)
            .filter(({ createdAt }) => Date.parse(createdAt) < oldest);
          return {
            state: old.length > 0 || seconds > 5 ? 'warning' : 'ok',
            summary: `${batches.length} batches, ${formatBytes(bytes)}, listed in ${formatSeconds(seconds)}; ${old.length} are older than ${batchDays} days.`,
            evidence: { batches: batches.length, bytes, seconds, old: old.length },
          };
        }),
    },
    {
      kind: 'check',
      id: 'latency',
      title: 'How fast does the database answer?',
      why: 'SELECT 1 needs no data: what it takes is network, TLS and a busy server. On serverless compute the first connection wakes it up and takes longer.',
      manual: () => 'reviewops db ping',
      run: (context) =>
        orUnknown(async (): Promise<Finding> => {
          const { ping } = await import('../database/ping.js');
          const { target, signal } = await databaseOf(context);
          const { latencySeconds } = await ping(target, context.services.config, {
            signal,
            now: context.services.now,
            report: () => undefined,
          });
          const { connect, median } = latencySeconds;
          return {
            state: median > slowAnswer ? 'warning' : 'ok',
            summary: `${formatSeconds(median)} for an answer, ${formatSeconds(connect)} for a connection.`,
            evidence: { ...latencySeconds },
          };
        }),
    },
    {
      kind: 'check',
      id: 'sessions',
      title: 'Who holds the others up?',
      why: 'One forgotten transaction holds locks and keeps VACUUM from cleaning. Its session is named here; ending it is a decision of a person.',
      manual: () =>
        `psql "$NEON_DB_URL" -c "SELECT pid, application_name, state, now() - xact_start AS open, wait_event_type FROM pg_stat_activity WHERE xact_start IS NOT NULL ORDER BY xact_start"   # to end one: SELECT pg_terminate_backend(PID)`,
      run: (context) =>
        orUnknown(() =>
          reading(context, 'sessions', async (client): Promise<Finding> => {
            const { sessionPressure } = await import('../diagnosis/pressure.js');
            const pressure = await sessionPressure(client);
            const problems = [
              pressure.waitingForLocks > 0
                ? `${pressure.waitingForLocks} session(s) wait for a lock`
                : '',
              pressure.longestTransactionSeconds > longTransaction
                ? `backend ${pressure.longestTransactionPid} (${pressure.longestTransactionApplication ?? 'no name'}, ${pressure.longestTransactionState ?? 'unknown'}) has a transaction open for ${formatSeconds(pressure.longestTransactionSeconds)}`
                : '',
              pressure.connections > 0.8 * pressure.maxConnections
                ? `${pressure.connections} of ${pressure.maxConnections} connections are used`
                : '',
            ].filter((problem) => problem !== '');
            const evidence = { ...pressure };
            if (problems.length > 0) {
              return { state: 'warning', summary: `${problems.join('; ')}.`, evidence };
            }
            return pressure.hidden
              ? {
                  state: 'unknown',
                  summary: 'This role may not see what other sessions do (grant pg_monitor).',
                  evidence,
                }
              : {
                  state: 'ok',
                  summary: `${pressure.active} active of ${pressure.connections} sessions; nobody waits.`,
                  evidence,
                };
          }),
        ),
    },
    {
      kind: 'check',
      id: 'dead',
      title: 'Are tables full of dead rows?',
      why: 'Every scan reads them, too, until a VACUUM.',
      manual: () =>
        `psql "$NEON_DB_URL" -c "SELECT relname, n_live_tup, n_dead_tup, last_autovacuum FROM pg_stat_user_tables ORDER BY n_dead_tup DESC LIMIT 10"`,
      run: deadRowsFinding,
    },
    {
      kind: 'branch',
      id: 'elsewhere',
      title: 'What cures it?',
      why: 'One thing after the other, the cheapest first; measure again after each.',
      manual: () => 'reviewops runbook list',
      choose: async ({ results }) => {
        const state = (id: string) => results[id]?.finding?.state;
        const error = results.latency?.finding?.evidence?.error;
        if (state('latency') === 'unknown' && String(error).startsWith('DATABASE_')) {
          return {
            to: 'runbook',
            runbook: 'database-connection',
            input: {},
            why: results.latency?.finding?.summary ?? 'The database does not answer.',
          };
        }
        if (state('dead') === 'warning') {
          const tables = (results.dead?.finding?.evidence?.tables ?? []) as string[];
          const why = `Many dead rows in ${abridge(tables)}.`;
          return { to: 'runbook', runbook: 'vacuum', input: { tables }, why };
        }
        if (Number(results.lake?.finding?.evidence?.old ?? 0) > 0) {
          return {
            to: 'runbook',
            runbook: 'purge-batches',
            input: {},
            why: results.lake?.finding?.summary ?? 'Old batches can go.',
          };
        }
        return undefined;
      },
    },
  ],
});
