import type { Config } from '../config/schema.js';
import { withClient } from '../database/client.js';
import type { DatabaseTarget } from '../database/target.js';
import type { BatchDetails } from '../lake/batches.js';
import type { Layer } from '../lake/lake.js';
import type { Stage } from '../pipeline/stage.js';

/** A batch to be run again, from the first stage whose result is missing or wrong. */
export interface Rerun {
  batchId: string;
  from: Stage;
  to: Stage;
  /** What is wrong with it, in one line. */
  reason: string;
  /** What it was when that was decided; a plan is bound to it. */
  state: Record<string, string | number | null>;
}

/** The stage that makes each layer. */
export const stageThatMakes: Readonly<Record<Layer, Stage>> = {
  raw: 'extract',
  bronze: 'extract',
  silver: 'transform',
  gold: 'model',
};

/** What the serving table holds. */
export interface LoadedBatch {
  batchId: string;
  /** What the load wrote down; rows may have been erased since. */
  rows: number;
  snapshotAt: Date;
  loadedAt: Date;
}

export interface DatabaseAccess {
  target: DatabaseTarget;
  settings: Config['database'];
  signal: AbortSignal;
  readOnly: boolean;
}

/** The batches that loads have recorded in `maintenance.fact_loads`. */
export const loadedBatches = (access: DatabaseAccess): Promise<LoadedBatch[]> =>
  withClient(access.target, { purpose: 'loaded batches', ...access }, async (client) => {
    const rows = await client.query<{
      batch_id: string;
      rows: string;
      snapshot_at: Date;
      loaded_at: Date;
    }>(
      'SELECT batch_id, rows, snapshot_at, loaded_at FROM maintenance.fact_loads ORDER BY snapshot_at DESC',
    );
    return rows.map((row) => ({
      batchId: row.batch_id,
      rows: Number(row.rows),
      snapshotAt: row.snapshot_at,
      loadedAt: row.loaded_at,
    }));
  });

/**
 * How far a repair of a batch goes. A batch is loaded when it is the one that is served, or the
 * newest of the lake and not older than the one that is served: the repair of an old batch must
 * not take back what a later one has published. `loaded` is undefined while the database is away.
 */
export function lastStage(
  batch: Pick<BatchDetails, 'batchId' | 'manifests'>,
  from: Stage,
  newestBatch: string | undefined,
  loaded: readonly LoadedBatch[] | undefined,
): Stage {
  if (loaded === undefined) return from === 'extract' ? 'load' : 'model';
  if (loaded.some(({ batchId }) => batchId === batch.batchId)) return 'load';
  // Extracted anew, it is the newest of all.
  if (from === 'extract') return 'load';
  const snapshotAt = batch.manifests[0]?.source.snapshotAt;
  const newerIsServed =
    snapshotAt !== undefined && loaded.some((one) => one.snapshotAt > new Date(snapshotAt));
  return batch.batchId === newestBatch && !newerIsServed ? 'load' : 'model';
}

/** The hashes of a batch's published manifests: what it is, without reading its data. */
export const manifestState = (
  batch: Pick<BatchDetails, 'manifests'>,
): Record<string, string | null> => ({
  bronze: null,
  silver: null,
  gold: null,
  ...Object.fromEntries(batch.manifests.map(({ layer, sha256 }) => [layer, sha256])),
});

const made: Readonly<Record<Stage, readonly Layer[]>> = {
  extract: ['bronze', 'silver', 'gold'],
  transform: ['silver', 'gold'],
  model: ['gold'],
  load: [],
};

/**
 * Whether a rerun has come to its end: every layer that it makes is there and made from the present
 * one below, and what it loads was loaded since (or is superseded by a later snapshot).
 */
export function isComplete(
  batch: Pick<BatchDetails, 'problems' | 'manifests' | 'batchId'>,
  { from, to }: Pick<Rerun, 'from' | 'to'>,
  loaded: readonly LoadedBatch[] | undefined,
): boolean {
  if (batch.problems.some(({ layer }) => made[from].includes(layer))) return false;
  if (to !== 'load') return true;
  const gold = batch.manifests.find(({ layer }) => layer === 'gold');
  if (gold === undefined) return false;
  return (
    loaded?.some(({ batchId, loadedAt, snapshotAt }) =>
      batchId === batch.batchId
        ? loadedAt >= new Date(gold.createdAt)
        : snapshotAt > new Date(gold.source.snapshotAt),
    ) === true
  );
}
