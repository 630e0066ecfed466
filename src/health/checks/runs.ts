import type { RunWithMean } from '../../pipeline/history.js';
import { formatCount, formatSeconds } from '../../system/duration.js';
import {
  type Check,
  critical,
  judged,
  ok,
  percent,
  skipped,
  stateOf,
  tenth,
  warning,
} from '../check.js';
import { cureOfRun } from '../cures.js';

/** How the pipeline runs: when, how long, how often in vain, with how many rows. */

const group = 'runs';
const needs = ['database'] as const;
const hourMilliseconds = 3_600_000;

/** Whole runs and single stages that have ended. */
const ended = (runs: readonly RunWithMean[]): RunWithMean[] =>
  runs.filter(({ status }) => status !== 'running');

const succeeded = (runs: readonly RunWithMean[]): RunWithMean[] =>
  runs.filter(({ status }) => status === 'succeeded');

const noRun = (): ReturnType<typeof skipped> => skipped('there is no run to judge yet');

/** Cures a system whose batches are missing: lists them, and runs the whole pipeline. */
const runAgain = {
  runbook: { id: 'parquet-not-found', input: {} },
  next: 'Run `reviewops pipeline run`.',
};

export const lastRun: Check = {
  name: 'last-run',
  title: 'Last run',
  group,
  needs,
  run: async ({ config, runs, now }) => {
    const [last] = await runs();
    const threshold = config.health.runAgeHours;
    if (last === undefined) return critical('no run is recorded', { threshold, ...runAgain });
    const hours = (now().getTime() - Date.parse(last.startedAt)) / hourMilliseconds;
    const shared = {
      value: tenth(hours),
      unit: 'hours' as const,
      threshold,
      evidence: { runId: last.runId, batchId: last.batchId, status: last.status },
    };
    const when = `${formatSeconds(Math.max(0, hours * 3600))} ago`;
    if (last.status === 'failed' || last.status === 'partial') {
      const summary = `${last.command} of batch ${last.batchId}, ${when}: ${last.status}${last.errorMessage === null ? '' : `: ${last.errorMessage}`}`;
      return critical(summary, { ...shared, runbook: cureOfRun(last) });
    }
    const age = stateOf(hours, threshold);
    if (age !== 'ok') {
      return judged(age, `${last.command} of batch ${last.batchId} began ${when}`, {
        ...shared,
        ...runAgain,
      });
    }
    if (last.status === 'interrupted') {
      return warning(`${last.command} of batch ${last.batchId} was interrupted ${when}`, {
        ...shared,
        runbook: cureOfRun(last),
      });
    }
    return ok(`${last.command} of batch ${last.batchId}, ${when}: ${last.status}`, shared);
  },
};

export const runDuration: Check = {
  name: 'run-duration',
  title: 'Duration of the last run',
  group,
  needs,
  run: async ({ config, runs, now }) => {
    // A run that goes on is judged by the time it has taken so far.
    const last = (await runs()).find(
      ({ status }) => status === 'succeeded' || status === 'running',
    );
    if (last === undefined) return noRun();
    if (last.meanSeconds === null || last.meanSeconds === 0) {
      return skipped('there is no earlier run to compare with');
    }
    const seconds = last.seconds ?? (now().getTime() - Date.parse(last.startedAt)) / 1000;
    const share = percent(seconds, last.meanSeconds);
    const threshold = config.health.runDurationPercent;
    return judged(
      stateOf(share, threshold, true),
      `${formatSeconds(seconds)}${last.status === 'running' ? ' so far' : ''}, ${share} % of the mean`,
      {
        value: share,
        unit: 'percent',
        threshold,
        evidence: { runId: last.runId, seconds, meanSeconds: last.meanSeconds },
        runbook: { id: 'slow-at-peak', input: {} },
      },
    );
  },
};

export const consecutiveFailures: Check = {
  name: 'consecutive-failures',
  title: 'Failures in a row',
  group,
  needs,
  run: async ({ config, runs }) => {
    const done = ended(await runs());
    const [last] = done;
    if (last === undefined) return noRun();
    const good = done.findIndex(({ status }) => status === 'succeeded');
    const count = good === -1 ? done.length : good;
    const threshold = config.health.consecutiveFailures;
    return judged(stateOf(count, threshold, true), `${count}`, {
      value: count,
      unit: 'count',
      threshold,
      evidence: {
        runs: done.slice(0, count).map(({ runId, errorCode }) => ({ runId, errorCode })),
      },
      runbook: cureOfRun(last),
    });
  },
};

export const failedRuns: Check = {
  name: 'failed-runs',
  title: 'Share of failed runs',
  group,
  needs,
  run: async ({ config, runs }) => {
    const done = ended(await runs());
    const enough = 20;
    if (done.length < enough) {
      return skipped(`${done.length} runs are too few to speak of a rate (${enough})`);
    }
    const share = percent(done.length - succeeded(done).length, done.length);
    const threshold = config.health.failedRunsPercent;
    const failed = done.find(({ status }) => status !== 'succeeded');
    return judged(stateOf(share, threshold, true), `${share} % of the last ${done.length}`, {
      value: share,
      unit: 'percent',
      threshold,
      ...(failed === undefined ? {} : { runbook: cureOfRun(failed) }),
    });
  },
};

/** Rows that a run handed on last; a load that gave way to a later one says nothing of them. */
const rowsOf = ({ stages }: RunWithMean): number | undefined =>
  stages.find(({ stage, superseded }) => stage === 'load' && !superseded)?.rowsOut ??
  stages.find(({ stage }) => stage === 'model')?.rowsOut;

export const runRows: Check = {
  name: 'run-rows',
  title: 'Rows of the last run',
  group,
  needs,
  run: async ({ config, runs }) => {
    const [last, ...earlier] = succeeded(await runs())
      .map((run) => ({ run, rows: rowsOf(run) }))
      .filter((one): one is { run: RunWithMean; rows: number } => one.rows !== undefined);
    if (last === undefined) return noRun();
    const threshold = config.health.rowsChangePercent;
    const { batchId } = last.run;
    if (last.rows === 0 && earlier.some(({ rows }) => rows > 0)) {
      return critical(`batch ${batchId} loaded no row`, {
        value: 100,
        unit: 'percent',
        threshold,
        evidence: { batchId, rows: 0 },
        runbook: { id: 'gold-incomplete', input: { batchId } },
      });
    }
    if (earlier.length === 0) return skipped('there is no earlier run to compare with');
    const compared = earlier.slice(0, 20);
    const mean = compared.reduce((sum, { rows }) => sum + rows, 0) / compared.length;
    // From nothing to something is a beginning, not a change by infinity.
    if (mean === 0) return ok(`${formatCount(last.rows)} rows, after none`, { evidence: { mean } });
    const change = percent(Math.abs(last.rows - mean), mean);
    return judged(
      stateOf(change, threshold, true),
      `${formatCount(last.rows)} rows, ${change} % ${last.rows < mean ? 'below' : 'above'} the mean`,
      {
        value: change,
        unit: 'percent',
        threshold,
        evidence: { batchId, rows: last.rows, mean },
        runbook: { id: 'gold-incomplete', input: { batchId } },
      },
    );
  },
};

/** Share of rejected rows in percent; undefined where nothing was transformed. */
function rejectRate({ stages }: RunWithMean): number | undefined {
  const transform = stages.find(({ stage }) => stage === 'transform');
  return transform === undefined ? undefined : percent(transform.rejected, transform.rowsIn);
}

export const rejects: Check = {
  name: 'reject-rate',
  title: 'Rejected rows',
  group,
  needs,
  run: async ({ config, runs }) => {
    const [last] = await rated(runs);
    if (last === undefined) return noRun();
    const { rejectWarningPercent, rejectCriticalPercent } = config.pipeline;
    const threshold = { warning: rejectWarningPercent, critical: rejectCriticalPercent };
    const { batchId } = last.run;
    return judged(stateOf(last.rate, threshold), `${last.rate} % of batch ${batchId}`, {
      value: last.rate,
      unit: 'percent',
      threshold,
      evidence: { batchId },
      runbook: { id: 'reject-rate', input: { batchId } },
    });
  },
};

export const rejectGrowth: Check = {
  name: 'reject-growth',
  title: 'Growth of the reject rate',
  group,
  needs,
  run: async ({ config, runs }) => {
    const [last, before] = await rated(runs);
    if (last === undefined || before === undefined) {
      return skipped('there are not two runs to compare');
    }
    const threshold = config.health.rejectGrowthPercent;
    const evidence = { last: last.rate, before: before.rate };
    // Growth from nothing has no percentage; the reject rate itself judges that.
    if (before.rate === 0) return ok(`${last.rate} %, after none`, { evidence });
    const growth = tenth((last.rate / before.rate - 1) * 100);
    const { batchId } = last.run;
    return judged(stateOf(growth, threshold, true), `${before.rate} % before, ${last.rate} % now`, {
      value: growth,
      unit: 'percent',
      threshold,
      evidence,
      runbook: { id: 'reject-rate', input: { batchId } },
    });
  },
};

async function rated(
  runs: () => Promise<RunWithMean[]>,
): Promise<{ run: RunWithMean; rate: number }[]> {
  return ended(await runs())
    .map((run) => ({ run, rate: rejectRate(run) }))
    .filter((one): one is { run: RunWithMean; rate: number } => one.rate !== undefined);
}

export const stageTimes: Check = {
  name: 'stage-times',
  title: 'Mean times of the stages',
  group,
  needs,
  run: async ({ config, runs }) => {
    const done = succeeded(await runs());
    const mean = (...names: string[]): number | undefined => {
      const totals = done
        .map(({ stages }) => stages.filter(({ stage }) => names.includes(stage)))
        .filter((stages) => stages.length === names.length)
        .map((stages) => stages.reduce((sum, { seconds }) => sum + seconds, 0));
      if (totals.length === 0) return undefined;
      return totals.reduce((sum, seconds) => sum + seconds, 0) / totals.length / 60;
    };
    const extract = mean('extract');
    const load = mean('transform', 'model', 'load');
    if (extract === undefined && load === undefined) return noRun();
    const { extractMinutes, loadMinutes } = config.health;
    const slowLoad = stateOf(load ?? 0, loadMinutes);
    const slowExtract = stateOf(extract ?? 0, extractMinutes);
    const loadIsWorse = slowLoad === 'critical' || slowExtract === 'ok';
    const text = (minutes: number | undefined) =>
      minutes === undefined ? 'unknown' : formatSeconds(minutes * 60);
    const limit = loadIsWorse ? loadMinutes : extractMinutes;
    const seconds = (minutes: number | null) => (minutes === null ? null : minutes * 60);
    return judged(
      loadIsWorse ? slowLoad : slowExtract,
      `extract ${text(extract)}, transform to load ${text(load)}`,
      {
        value: ((loadIsWorse ? load : extract) ?? 0) * 60,
        unit: 'seconds',
        threshold: { warning: seconds(limit.warning), critical: seconds(limit.critical) },
        evidence: { extractMinutes: extract ?? null, loadMinutes: load ?? null },
        runbook: { id: 'slow-at-peak', input: {} },
      },
    );
  },
};
