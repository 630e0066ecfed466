import { createHash } from 'node:crypto';
import { failed, invalid, isOperatorError } from '../system/errors.js';
import { type Key, type Lake, type LakeObject, type Layer, layers } from './lake.js';
import { checkBatchId, manifestKey, parseBatchKey } from './layout.js';
import type { Manifest, PublishedLayer } from './manifest.js';

/** The command that makes a layer, for hints. */
export function commandFor(layer: Layer, batchId: string): string {
  const command = {
    raw: 'lake upload',
    bronze: `pipeline extract --batch-id ${batchId}`,
    silver: `pipeline transform --batch-id ${batchId}`,
    gold: `pipeline model --batch-id ${batchId}`,
  };
  return `\`reviewops ${command[layer]}\``;
}

export const sha256Of = (body: Uint8Array): string =>
  createHash('sha256').update(body).digest('hex');

/** Undefined when the bytes are not a whole and valid manifest. */
export async function parseManifest(body: Uint8Array): Promise<Manifest | undefined> {
  const { manifestSchema } = await import('./manifest.js');
  try {
    return manifestSchema.safeParse(JSON.parse(Buffer.from(body).toString('utf8'))).data;
  } catch {
    // Not JSON: cut short, or no manifest at all.
    return undefined;
  }
}

/**
 * A published layer of a batch; undefined when it was not published. `MANIFEST_CORRUPT` (exit 1)
 * when its manifest is cut short or not valid.
 */
export async function readLayer(
  lake: Lake,
  layer: Layer,
  batchId: string,
): Promise<PublishedLayer | undefined> {
  const key = manifestKey(layer, checkBatchId(batchId));
  const found = await lake.readVersion(key);
  if (found === undefined) return undefined;
  const manifest = await parseManifest(found.body);
  if (manifest === undefined || manifest.layer !== layer || manifest.batchId !== batchId) {
    throw failed(
      'MANIFEST_CORRUPT',
      `The manifest ${key} in ${lake.description} is damaged or cut short.`,
      { hint: `Make the layer again: ${commandFor(layer, batchId)}.` },
    );
  }
  return { layer, manifest, sha256: sha256Of(found.body), etag: found.etag };
}

/**
 * A published layer that has to be there. `LAYER_NOT_FOUND` (exit 1) when the batch lacks it,
 * `BATCH_NOT_FOUND` (exit 2) when the lake holds nothing of such a batch, `MANIFEST_CORRUPT`.
 */
export async function requireLayer(
  lake: Lake,
  layer: Layer,
  batchId: string,
): Promise<PublishedLayer> {
  const found = await readLayer(lake, layer, batchId);
  if (found !== undefined) return found;
  const known = await batchIds(lake);
  if (!known.includes(batchId)) throw batchNotFound(lake, batchId, known);
  throw failed(
    'LAYER_NOT_FOUND',
    `Batch ${batchId} has no published ${layer} in ${lake.description}.`,
    { hint: `Run ${commandFor(layer, batchId)} first.` },
  );
}

/** `BATCH_NOT_FOUND` (exit 2), naming the most similar of the ids that exist. */
export function batchNotFound(lake: Lake, batchId: string, known: readonly string[]) {
  const common = (id: string): number => {
    let length = 0;
    while (length < id.length && id[length] === batchId[length]) length += 1;
    return length;
  };
  const nearest = [...known].sort((a, b) => common(b) - common(a) || (a < b ? 1 : -1)).slice(0, 3);
  return invalid('BATCH_NOT_FOUND', `There is no batch ${batchId} in ${lake.description}.`, {
    hint:
      nearest.length === 0
        ? 'There is no batch at all yet; make one with `reviewops pipeline run`.'
        : `The nearest are ${nearest.join(', ')}; \`reviewops batch list\` shows all.`,
  });
}

/**
 * What lies in one layer. The raw layer holds no batches of the pipeline, and analysts have no
 * rights on it: to them it is empty.
 */
export async function* listLayer(
  lake: Lake,
  layer: Layer,
  prefix: Key,
): AsyncGenerator<LakeObject> {
  try {
    yield* lake.list(prefix);
  } catch (error) {
    const denied = isOperatorError(error) && error.code === 'LAKE_ACCESS_DENIED';
    if (layer !== 'raw' || !denied) throw error;
  }
}

/** Ids of all batches of which the lake holds anything, oldest first. */
export async function batchIds(lake: Lake): Promise<string[]> {
  const ids = new Set<string>();
  for (const layer of layers) {
    for await (const { key } of listLayer(lake, layer, `${layer}/batch=`)) {
      const batch = parseBatchKey(key);
      if (batch !== undefined) ids.add(batch.batchId);
    }
  }
  return [...ids].sort();
}
