import type { Lake } from '../lake/lake.js';
import { batchHoldKey, batchLeaseName, checkBatchId } from '../lake/layout.js';
import { acquireLease } from '../lake/lease.js';
import { batchNotFound } from '../lake/published.js';
import { failed, isOperatorError } from '../system/errors.js';
import { type Owner, thisProcess } from '../system/owner.js';
import { inventoryOf } from './batch-inventory.js';

/** Why nobody may delete a batch, and who said so. */
export interface BatchHold {
  batchId: string;
  reason: string;
  by: Pick<Owner, 'user' | 'host'>;
  /** ISO 8601, UTC. */
  at: string;
}

interface HoldOptions {
  now: () => Date;
  signal: AbortSignal;
}

/**
 * Puts a hold on a batch; nothing deletes it until the hold is released. Waits for nobody: whoever
 * works on the batch at the moment, a purge included, makes it refuse.
 *
 * @throws BATCH_NOT_FOUND (exit 2), LEASE_HELD (exit 3), BATCH_ON_HOLD (exit 1)
 */
export async function holdBatch(
  lake: Lake,
  batchId: string,
  reason: string,
  options: HoldOptions,
): Promise<BatchHold> {
  checkBatchId(batchId);
  const owner = thisProcess();
  const { user, host } = owner;
  // A purge holds this lease while it deletes: a hold comes before it or after it, not in between.
  const lease = await acquireLease(lake, batchLeaseName(batchId), { ...options, owner });
  try {
    if ((await inventoryOf(lake, batchId)) === undefined) throw batchNotFound(lake, batchId, []);
    const hold = { batchId, reason, by: { user, host }, at: options.now().toISOString() };
    await lake.put(batchHoldKey(batchId), `${JSON.stringify(hold)}\n`, { ifAbsent: true });
    return hold;
  } catch (error) {
    if (!isOperatorError(error) || error.code !== 'OBJECT_EXISTS') throw error;
    const present = await findHold(lake, batchId);
    throw failed('BATCH_ON_HOLD', `Batch ${batchId} is on hold already: ${present?.reason}.`, {
      hint: `Release it first: reviewops batch release ${batchId}`,
    });
  } finally {
    await lease.release();
  }
}

/** Ends a hold; null when there was none. */
export async function releaseBatch(lake: Lake, batchId: string): Promise<BatchHold | null> {
  const hold = await findHold(lake, checkBatchId(batchId));
  if (hold === undefined) return null;
  await lake.remove([batchHoldKey(batchId)]);
  return hold;
}

/** The hold on a batch. One that cannot be read holds all the same. */
export async function findHold(lake: Lake, batchId: string): Promise<BatchHold | undefined> {
  const found = await lake.readVersion(batchHoldKey(batchId));
  if (found === undefined) return undefined;
  const unknown = { user: 'unknown', host: 'unknown' };
  const fallback = { batchId, reason: 'its reason cannot be read', by: unknown, at: '' };
  try {
    return { ...fallback, ...(JSON.parse(found.body.toString('utf8')) as Partial<BatchHold>) };
  } catch {
    // Written by hand, or damaged: somebody wanted the batch kept.
    return fallback;
  }
}
