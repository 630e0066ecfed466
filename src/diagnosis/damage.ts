import { showBatch } from '../lake/batches.js';
import type { Key, Lake, Layer } from '../lake/lake.js';
import { isLayer } from '../lake/lake.js';
import { type VerifyContext, verifyBatch } from '../lake/verify.js';

/** A batch whose content is not what its manifests say. */
export interface Damage {
  batchId: string;
  /** The layers that hold a damaged object, in the order in which they are made. */
  layers: Layer[];
  objects: { key: Key; problem: string }[];
}

/**
 * Reads every file of a batch and compares it with its manifest. Leftovers that no manifest names
 * and layers made from an earlier parent are no damage. Undefined when all is whole; `running` when
 * somebody works on it, and nothing was read.
 */
export async function findDamage(
  lake: Lake,
  batchId: string,
  context: VerifyContext,
): Promise<Damage | 'running' | undefined> {
  const before = await showBatch(lake, batchId, context);
  if (before.state === 'running') return 'running';
  const harmless = new Set(
    before.problems.filter(({ kind }) => kind === 'stale-layer').map(({ problem }) => problem),
  );
  const unnamed = new Set(before.unnamed);
  const { findings } = await verifyBatch(lake, batchId, context);
  const objects = findings
    .filter(({ key, problem }) => !unnamed.has(key) && !harmless.has(problem))
    .map(({ key, problem }) => ({ key, problem }));
  if (objects.length === 0) return undefined;
  const layers = new Set(objects.map(({ key }) => key.split('/')[0] ?? '').filter(isLayer));
  return { batchId, layers: [...layers].sort(), objects };
}
