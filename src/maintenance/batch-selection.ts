import type { BatchState } from '../lake/batch-state.js';
import { showBatch } from '../lake/batches.js';
import type { Lake } from '../lake/lake.js';
import { batchLeaseName, manifestKey } from '../lake/layout.js';
import { listLeases } from '../lake/lease.js';
import { batchNotFound } from '../lake/published.js';
import { formatSeconds } from '../system/duration.js';
import { refused, throwIfAborted } from '../system/errors.js';
import { describeOwner } from '../system/owner.js';
import { findHold } from './batch-holds.js';
import { type BatchInventory, inventory } from './batch-inventory.js';
import type { LoadedBatches } from './loaded-batches.js';

/** Which batches should go. Each condition narrows: a batch goes that meets all of those given. */
export interface BatchRequest {
  /** Seconds since the moment that the batch's id names. */
  olderThan?: number;
  batchIds?: readonly string[];
  /** Only those whose manifest or files are damaged. */
  corrupt: boolean;
  /** How many of the newest complete batches stay, whatever else is asked. */
  keepLast: number;
}

export interface SelectionOptions {
  now: () => Date;
  signal: AbortSignal;
  loaded: LoadedBatches;
}

export interface KeptBatch {
  batchId: string;
  why: string;
}

export interface BatchSelection {
  batches: (BatchInventory & { why: string })[];
  /** Those that were asked for and stay. */
  kept: KeptBatch[];
}

/**
 * Chooses the batches of a purge, oldest first, and says of each why it goes or stays. What is
 * running, loaded, on hold or one of the last good ones stays, even when it was named.
 *
 * @throws BATCH_NOT_FOUND (exit 2) and BATCH_PROTECTED (exit 3) for named ones
 */
export async function selectBatches(
  lake: Lake,
  request: BatchRequest,
  options: SelectionOptions,
): Promise<BatchSelection> {
  const all = await inventory(lake);
  const asked = named(lake, all, request.batchIds);
  const selection: BatchSelection = { batches: [], kept: [] };
  const states = new States(lake, options);
  const wanted: BatchSelection['batches'] = [];
  for (const batch of asked) {
    throwIfAborted(options.signal);
    const why = await reasonToGo(batch, request, options, states);
    if (why !== undefined) wanted.push({ ...batch, why });
  }
  if (wanted.length === 0) return selection;
  const protectedBatches = await protections(lake, all, request, options, states);
  for (const batch of wanted) {
    const hold = await findHold(lake, batch.batchId);
    const why =
      hold === undefined ? protectedBatches.get(batch.batchId) : `it is on hold: ${hold.reason}`;
    if (why === undefined) selection.batches.push(batch);
    else selection.kept.push({ batchId: batch.batchId, why });
  }
  if (request.batchIds !== undefined) refuseProtected(selection.kept);
  return selection;
}

function named(
  lake: Lake,
  all: ReadonlyMap<string, BatchInventory>,
  batchIds: readonly string[] | undefined,
): BatchInventory[] {
  if (batchIds === undefined) return [...all.values()];
  return [...new Set(batchIds)].sort().map((batchId) => {
    const batch = all.get(batchId);
    if (batch === undefined) throw batchNotFound(lake, batchId, [...all.keys()]);
    return batch;
  });
}

async function reasonToGo(
  batch: BatchInventory,
  { olderThan, corrupt, batchIds }: BatchRequest,
  options: SelectionOptions,
  states: States,
): Promise<string | undefined> {
  const reasons: string[] = batchIds === undefined ? [] : ['named'];
  if (olderThan !== undefined) {
    const age = (options.now().getTime() - batch.createdAt.getTime()) / 1000;
    if (age < olderThan) return undefined;
    reasons.push(`older than ${formatSeconds(olderThan)}`);
  }
  if (corrupt) {
    if ((await states.of(batch.batchId)) !== 'corrupt') return undefined;
    reasons.push('corrupt');
  }
  return reasons.join(', ');
}

const completeLayers = ['bronze', 'silver', 'gold'] as const;

/** What stays, with why: running, loaded, and the newest that are complete. */
async function protections(
  lake: Lake,
  all: ReadonlyMap<string, BatchInventory>,
  request: BatchRequest,
  options: SelectionOptions,
  states: States,
): Promise<Map<string, string>> {
  const { loaded } = options;
  const reasons = new Map<string, string>();
  // Without the database nobody knows which batch is served: it is one that is complete.
  const keep = loaded.state === 'unknown' ? Math.max(1, request.keepLast) : request.keepLast;
  let good = 0;
  for (const [batchId, { manifests }] of [...all].reverse()) {
    if (good === keep) break;
    throwIfAborted(options.signal);
    // Without all of its manifests it is not, however many files there are to look at.
    if (completeLayers.some((layer) => !manifests.includes(manifestKey(layer, batchId)))) continue;
    if ((await states.of(batchId)) !== 'complete') continue;
    good += 1;
    const only = keep === 1 ? 'it is the last complete batch' : '';
    reasons.set(batchId, only || `it is one of the last ${keep} complete batches`);
  }
  if (loaded.state === 'known') {
    for (const batchId of loaded.batchIds) reasons.set(batchId, 'the serving table holds it');
  }
  for (const { name, owner, live } of await listLeases(lake, options.now())) {
    if (!live) continue;
    for (const batchId of all.keys()) {
      if (batchLeaseName(batchId) !== name) continue;
      reasons.set(batchId, `${describeOwner(owner)} works on it`);
    }
  }
  return reasons;
}

function refuseProtected(kept: readonly KeptBatch[]): void {
  const [first] = kept;
  if (first === undefined) return;
  const rest = kept.length === 1 ? '' : ` (and ${kept.length - 1} more of those named)`;
  throw refused('BATCH_PROTECTED', `Batch ${first.batchId} stays: ${first.why}${rest}.`, {
    hint: first.why.includes('complete batch')
      ? 'Name other batches, or keep fewer of the newest with --keep-last.'
      : 'Name other batches, or end what protects it first; nothing was changed.',
  });
}

/** States of batches, each judged once. */
class States {
  readonly #lake: Lake;
  readonly #options: SelectionOptions;
  readonly #known = new Map<string, BatchState>();

  constructor(lake: Lake, options: SelectionOptions) {
    this.#lake = lake;
    this.#options = options;
  }

  async of(batchId: string): Promise<BatchState> {
    let state = this.#known.get(batchId);
    if (state === undefined) {
      state = (await showBatch(this.#lake, batchId, this.#options)).state;
      this.#known.set(batchId, state);
    }
    return state;
  }
}
