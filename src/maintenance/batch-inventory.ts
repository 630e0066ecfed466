import { createHash, type Hash } from 'node:crypto';
import { type Key, type Lake, type LakeObject, type Layer, layers } from '../lake/lake.js';
import { batchPrefix, manifestKey, parseBatchKey } from '../lake/layout.js';

/** What a lake holds of one batch, without its keys: as much for ten files as for ten thousand. */
export interface BatchInventory {
  batchId: string;
  /** The moment its id names (UTC); where that is none, when its oldest object was written. */
  createdAt: Date;
  /** Layers with at least one object, in the order in which they are made. */
  layers: Layer[];
  /** Keys of the manifests that are there. */
  manifests: Key[];
  objects: number;
  bytes: number;
  /** When its newest object was written. */
  newest: Date;
  /** SHA-256 over every key with its etag: another content has another one. 64 hex digits. */
  fingerprint: string;
}

interface Sum {
  layers: Set<Layer>;
  manifests: Key[];
  objects: number;
  bytes: number;
  oldest: number;
  newest: number;
  hash: Hash;
}

/** All batches of a lake, by id, oldest first. Reads no object; memory grows with the batches. */
export async function inventory(lake: Lake): Promise<Map<string, BatchInventory>> {
  const sums = new Map<string, Sum>();
  for (const layer of layers) {
    for await (const object of lake.list(`${layer}/batch=`)) {
      const batch = parseBatchKey(object.key);
      if (batch !== undefined) add(sums, batch.batchId, layer, object);
    }
  }
  return new Map(
    [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([id, sum]) => [id, finish(id, sum)]),
  );
}

/** One batch; undefined when the lake holds nothing of it. */
export async function inventoryOf(
  lake: Lake,
  batchId: string,
): Promise<BatchInventory | undefined> {
  const sums = new Map<string, Sum>();
  for (const layer of layers) {
    for await (const object of lake.list(batchPrefix(layer, batchId))) {
      add(sums, batchId, layer, object);
    }
  }
  const sum = sums.get(batchId);
  return sum === undefined ? undefined : finish(batchId, sum);
}

function add(sums: Map<string, Sum>, batchId: string, layer: Layer, object: LakeObject): void {
  let sum = sums.get(batchId);
  if (sum === undefined) {
    sum = {
      layers: new Set(),
      manifests: [],
      objects: 0,
      bytes: 0,
      oldest: Number.POSITIVE_INFINITY,
      newest: 0,
      hash: createHash('sha256'),
    };
    sums.set(batchId, sum);
  }
  const written = object.modifiedAt.getTime();
  sum.layers.add(layer);
  if (object.key === manifestKey(layer, batchId)) sum.manifests.push(object.key);
  sum.objects += 1;
  sum.bytes += object.bytes;
  sum.oldest = Math.min(sum.oldest, written);
  sum.newest = Math.max(sum.newest, written);
  sum.hash.update(`${object.key}\n${object.etag}\n`);
}

function finish(batchId: string, { hash, oldest, newest, ...sum }: Sum): BatchInventory {
  return {
    ...sum,
    batchId,
    createdAt: momentOf(batchId) ?? new Date(oldest),
    layers: [...sum.layers],
    newest: new Date(newest),
    fingerprint: hash.digest('hex'),
  };
}

/** The moment that a batch id names; undefined when there is no such day or time. */
export function momentOf(batchId: string): Date | undefined {
  const [date = '', time = ''] = batchId.split('_');
  const iso = `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6, 8)}T${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4, 6)}.000Z`;
  const moment = new Date(iso);
  // A 31st of February is taken for a day of March.
  return !Number.isNaN(moment.getTime()) && moment.toISOString() === iso ? moment : undefined;
}
