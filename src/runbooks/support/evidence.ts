import type { Rerun } from '../../diagnosis/rerun.js';
import type { BatchDetails } from '../../lake/batches.js';
import type { RunWithMean } from '../../pipeline/history.js';
import type { Stage } from '../../pipeline/stage.js';
import { errorMessage, isOperatorError } from '../../system/errors.js';
import type { CheckState, Finding } from '../engine/definition.js';
import { type AnyContext, databaseOf, servedBatches } from './context.js';

/** How many of the newest batches a runbook looks at when none is named. */
const usualBatches = 10;

/** A look at the lake as the steps need it: the named batch, or the newest ones. */
export async function look(context: AnyContext, batchId: string | undefined, limit = usualBatches) {
  const { lookAtBatches } = await import('../../diagnosis/layers.js');
  return lookAtBatches(await context.services.lake(), {
    now: context.services.now,
    batchId,
    limit,
  });
}

/** The batches that `judge` names a stage for, as reruns that go as far as they safely may. */
export async function findReruns(
  context: AnyContext,
  batchId: string | undefined,
  judge: (
    batch: BatchDetails,
  ) =>
    | Promise<{ from: Stage; reason: string } | undefined>
    | { from: Stage; reason: string }
    | undefined,
  limit = usualBatches,
): Promise<Rerun[]> {
  const { lastStage, manifestState } = await import('../../diagnosis/rerun.js');
  const { batches, newest } = await look(context, batchId, limit);
  const judged: { batch: BatchDetails; from: Stage; reason: string }[] = [];
  for (const batch of batches) {
    const verdict = await judge(batch);
    if (verdict !== undefined) judged.push({ batch, ...verdict });
  }
  if (judged.length === 0) return [];
  const served = await servedBatches(context);
  // The oldest first, so that what is loaded last is the newest.
  return judged.reverse().map(({ batch, from, reason }) => ({
    batchId: batch.batchId,
    from,
    to: lastStage(batch, from, newest, served),
    reason,
    state: manifestState(batch),
  }));
}

/** The state and the words of a list of what was found: nothing is good. */
export function listing(
  found: readonly string[],
  words: { none: string; some: string; state?: CheckState },
  name: string,
): Finding {
  return found.length === 0
    ? { state: 'ok', summary: words.none, evidence: { [name]: [] } }
    : {
        state: words.state ?? 'critical',
        summary: `${words.some}: ${abridge(found)}.`,
        evidence: { [name]: [...found] },
      };
}

/** The first few of a list, and how many more there are. */
export const abridge = (items: readonly string[], shown = 5): string =>
  items.length <= shown
    ? items.join(', ')
    : `${items.slice(0, shown).join(', ')} and ${items.length - shown} more`;

/** Runs a check; what keeps it from seeing makes it unknown, never ok. */
export async function orUnknown(work: () => Promise<Finding>): Promise<Finding> {
  try {
    return await work();
  } catch (error) {
    if (
      !isOperatorError(error) ||
      error.code === 'INTERRUPTED' ||
      error.code === 'STEP_TIMED_OUT'
    ) {
      throw error;
    }
    return {
      state: 'unknown',
      summary: `Cannot be told: ${errorMessage(error)}`,
      evidence: { error: error.code },
    };
  }
}

/** The last runs of the pipeline, newest first; of one batch when it is named. */
export async function recentRuns(
  context: AnyContext,
  batchId: string | undefined,
  limit = 50,
): Promise<RunWithMean[]> {
  const { lastRuns } = await import('../../pipeline/history.js');
  const runs = await lastRuns(await databaseOf(context), limit);
  return batchId === undefined ? runs : runs.filter((run) => run.batchId === batchId);
}

/** What the last run of the pipeline, or of one batch, ended with. */
export const lastRunFinding = (
  context: AnyContext,
  batchId: string | undefined,
): Promise<Finding> =>
  orUnknown(async () => {
    const [run] = await recentRuns(context, batchId);
    if (run === undefined) {
      return { state: 'unknown', summary: 'The history holds no run of it.', evidence: {} };
    }
    const evidence = {
      runId: run.runId,
      batchId: run.batchId,
      status: run.status,
      error: run.errorCode,
      startedAt: run.startedAt,
    };
    if (run.status === 'succeeded' || run.status === 'running') {
      return { state: 'ok', summary: `Run ${run.runId}: ${run.status}.`, evidence };
    }
    const why = run.errorMessage === null ? 'it was killed' : run.errorMessage;
    return { state: 'critical', summary: `Run ${run.runId}: ${run.status}: ${why}`, evidence };
  });

/** The error code that a finding of `lastRunFinding` carries. */
export const errorOf = (finding: Finding | undefined): string | undefined => {
  const error = finding?.evidence?.error;
  return typeof error === 'string' && finding?.state === 'critical' ? error : undefined;
};
