import { type Key, type Lake, layers } from '../lake/lake.js';
import { batchLeaseName, batchPrefix } from '../lake/layout.js';
import { acquireLease } from '../lake/lease.js';
import { ExitCode, isOperatorError, partial, refused } from '../system/errors.js';
import { thisProcess } from '../system/owner.js';
import { findHold } from './batch-holds.js';
import { type BatchInventory, inventoryOf } from './batch-inventory.js';
import { Remover } from './remover.js';
import { storedVersions, versionsUntil } from './stored-versions.js';

/** A batch as the plan names it. */
export type PlannedBatch = Pick<
  BatchInventory,
  'batchId' | 'objects' | 'bytes' | 'newest' | 'fingerprint'
>;

export interface PurgeOptions {
  now: () => Date;
  signal: AbortSignal;
  /** Objects in a second at most; 0 is no limit. */
  perSecond: number;
  /** Removes the old versions too, where the store keeps them. */
  versions: boolean;
  /** Asked right before a batch is deleted: why it must stay after all. */
  mustStay?: (batchId: string) => Promise<string | undefined>;
  onRemoved?: (objects: number) => void;
  onBatch?: (batchId: string) => void;
}

/**
 * Deletes batches, each under its lease and as it was planned. First its manifests, so that for
 * readers it is gone at once and never half there, then the files. Stopped or crashed anywhere, it
 * is finished by another call with the same plan.
 *
 * @throws PURGE_INCOMPLETE (exit 4) after all others are deleted, when some had to stay
 */
export async function purgeBatches(
  lake: Lake,
  batches: readonly PlannedBatch[],
  options: PurgeOptions,
): Promise<void> {
  const remover = new Remover(options);
  const stayed: string[] = [];
  for (const batch of batches) {
    try {
      await purgeBatch(lake, batch, remover, options);
      options.onBatch?.(batch.batchId);
    } catch (error) {
      if (!isOperatorError(error) || error.exitCode !== ExitCode.refused) throw error;
      stayed.push(`${batch.batchId} (${error.message})`);
    }
  }
  if (stayed.length === 0) return;
  throw partial('PURGE_INCOMPLETE', `Of ${batches.length}, these stay: ${stayed.join('; ')}`, {
    hint: 'The others are deleted. Make a new plan for those when nothing stands in the way.',
  });
}

async function purgeBatch(
  lake: Lake,
  planned: PlannedBatch,
  remover: Remover,
  options: PurgeOptions,
): Promise<void> {
  const { batchId, newest } = planned;
  const lease = await acquireLease(lake, batchLeaseName(batchId), {
    now: options.now,
    signal: options.signal,
    owner: thisProcess(),
  });
  try {
    const present = await inventoryOf(lake, batchId);
    const remove = (keys: readonly Key[]) => lake.remove(keys);
    if (present !== undefined) {
      await requireAsPlanned(lake, planned, present, options);
      await remover.remove(present.manifests.toReversed(), remove, lease.lost);
      for (const layer of layers.toReversed()) {
        const keys = keysBelow(lake, batchPrefix(layer, batchId));
        await remover.remove(keys, remove, lease.lost);
      }
    }
    const { versions } = lake;
    if (options.versions && versions !== undefined) {
      await remover.remove(
        versionsUntil(lake, batchId, newest),
        (group) => versions.remove(group),
        lease.lost,
      );
    }
  } finally {
    await lease.release();
  }
}

/**
 * What an interrupted purge left is less than was planned, and nothing newer; anything else was
 * made since, and nobody has approved that it goes.
 */
async function requireAsPlanned(
  lake: Lake,
  planned: PlannedBatch,
  present: BatchInventory,
  { mustStay }: PurgeOptions,
): Promise<void> {
  const { batchId } = planned;
  const hold = await findHold(lake, batchId);
  if (hold !== undefined) {
    throw refused('BATCH_ON_HOLD', `it is on hold: ${hold.reason}`);
  }
  const why = await mustStay?.(batchId);
  if (why !== undefined) throw refused('BATCH_PROTECTED', why);
  if (present.fingerprint === planned.fingerprint) return;
  const leftover =
    present.objects < planned.objects &&
    present.bytes <= planned.bytes &&
    present.newest.getTime() <= planned.newest.getTime();
  if (leftover) return;
  throw refused('BATCH_CHANGED', 'it has changed since the plan was made');
}

/** What is left of planned batches. */
export interface Remaining {
  /** Those of which objects are still there. */
  batches: string[];
  objects: number;
  /** That the store still holds, old versions included; null where it does not tell. */
  bytes: number | null;
  /** Old versions and delete markers that are left. */
  versions: number;
}

/** Looks at the store: nothing is left of `batches` when a purge is done. */
export async function remainingOf(lake: Lake, batchIds: readonly string[]): Promise<Remaining> {
  const remaining: Remaining = { batches: [], objects: 0, bytes: 0, versions: 0 };
  for (const batchId of batchIds) {
    const present = await inventoryOf(lake, batchId);
    const stored = await storedVersions(lake, batchId, present?.objects ?? 0);
    if (present !== undefined) remaining.batches.push(batchId);
    remaining.objects += present?.objects ?? 0;
    if (stored === 'unknown' || remaining.bytes === null) remaining.bytes = null;
    else remaining.bytes += stored?.bytes ?? present?.bytes ?? 0;
    if (stored !== undefined && stored !== 'unknown') {
      remaining.versions += stored.versions - (present?.objects ?? 0);
    }
  }
  return remaining;
}

async function* keysBelow(lake: Lake, prefix: Key): AsyncGenerator<Key> {
  for await (const { key } of lake.list(prefix)) yield key;
}
