import { fileIsMissing, isDamage } from '../lake/batch-state.js';
import { type BatchDetails, listBatches, showBatch } from '../lake/batches.js';
import type { Lake, Layer } from '../lake/lake.js';
import type { Stage } from '../pipeline/stage.js';
import { isOperatorError } from '../system/errors.js';
import { stageThatMakes } from './rerun.js';

/** What a look at the lake's batches gives. */
export interface LakeLook {
  /** Those that were asked for, newest first; those that somebody works on are left out. */
  batches: BatchDetails[];
  /** Ids of those that somebody works on. */
  running: string[];
  /** How many the lake holds in all. */
  known: number;
  /** The newest that holds a readable bronze layer. */
  newest: string | undefined;
}

export interface LookOptions {
  now: () => Date;
  /** This batch alone. `BATCH_NOT_FOUND` (exit 2) when there is none. */
  batchId?: string | undefined;
  /** At most this many of the newest. */
  limit: number;
}

/** Looks at the newest batches, or at one, without reading a data file. */
export async function lookAtBatches(lake: Lake, options: LookOptions): Promise<LakeLook> {
  const { now, batchId, limit } = options;
  const summaries = await listBatches(lake, { now });
  const newest = summaries.find(({ layers }) => layers.includes('bronze'))?.batchId;
  const wanted =
    batchId === undefined ? summaries.slice(0, limit).map((batch) => batch.batchId) : [batchId];
  const batches: BatchDetails[] = [];
  const running: string[] = [];
  for (const id of wanted) {
    const details = await showUnlessGone(lake, id, { now, must: batchId !== undefined });
    if (details === undefined) continue;
    if (details.state === 'running') running.push(id);
    else batches.push(details);
  }
  return { batches, running, known: summaries.length, newest };
}

/** A batch that was purged between the list and the look is none any more. */
async function showUnlessGone(
  lake: Lake,
  batchId: string,
  { now, must }: { now: () => Date; must: boolean },
): Promise<BatchDetails | undefined> {
  try {
    return await showBatch(lake, batchId, { now });
  } catch (error) {
    if (!must && isOperatorError(error) && error.code === 'BATCH_NOT_FOUND') return undefined;
    throw error;
  }
}

const isMissing = (batch: BatchDetails, layer: Layer): boolean =>
  batch.problems.some((problem) => problem.kind === 'missing-layer' && problem.layer === layer);

/** Whether bronze is published and silver is not. */
export const lacksSilver = (batch: BatchDetails): boolean =>
  batch.layers.includes('bronze') && isMissing(batch, 'silver');

/** Whether silver is published, and gold is not or was made from an earlier silver. */
export const lacksGold = (batch: BatchDetails): boolean =>
  batch.layers.includes('silver') &&
  batch.problems.some(
    ({ kind, layer }) => layer === 'gold' && (kind === 'missing-layer' || kind === 'stale-layer'),
  );

/** Keys that a manifest names and the lake does not hold. */
export const lostFiles = (batch: BatchDetails): { layer: Layer; key: string }[] =>
  batch.problems
    .filter(({ kind, problem }) => kind === 'damaged-file' && problem === fileIsMissing)
    .map(({ layer, key }) => ({ layer, key }));

/** Damage other than a file that is gone: the content is wrong, or the manifest is. */
export const damagedObjects = (batch: BatchDetails): { layer: Layer; key: string }[] => {
  const lost = new Set(lostFiles(batch).map(({ key }) => key));
  return batch.problems
    .filter((problem) => isDamage(problem) && !lost.has(problem.key))
    .map(({ layer, key }) => ({ layer, key }));
};

const order: readonly Layer[] = ['raw', 'bronze', 'silver', 'gold'];

/** The stage to run again from when these layers are bad: that of the one made first. */
export function firstStage(bad: Iterable<Layer>): Stage | undefined {
  const set = new Set(bad);
  const layer = order.find((one) => set.has(one));
  return layer === undefined ? undefined : stageThatMakes[layer];
}
