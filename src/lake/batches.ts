import { mapParallel } from '../system/parallel.js';
import {
  assessBatch,
  type BatchContents,
  type BatchState,
  type BatchSummary,
  type ManifestCore,
} from './batch-state.js';
import { type Key, type Lake, type LakeObject, type Layer, layers } from './lake.js';
import { batchLeaseName, batchPrefix, checkBatchId, manifestKey, parseBatchKey } from './layout.js';
import { listLeases } from './lease.js';
import type { LeaseRecord } from './lease-record.js';
import type { Manifest } from './manifest.js';
import { batchIds, batchNotFound, listLayer, parseManifest, sha256Of } from './published.js';

export interface ListOptions {
  now: () => Date;
  /** At most this many of the newest batches. */
  limit?: number;
  /** Only those in this state. */
  state?: BatchState;
}

/** How many manifests are read at once. */
const parallelReads = 16;

/** The batches of a lake with their states, newest first. Reads the manifests, no data file. */
export async function listBatches(lake: Lake, options: ListOptions): Promise<BatchSummary[]> {
  // First: a run that ends in between then counts as running, and not as leaving half a layer.
  const live = await liveLeases(lake, options.now());
  const found = new Map<string, Map<Key, LakeObject>>();
  const listInto = async (layer: Layer): Promise<void> => {
    for await (const object of listLayer(lake, layer, `${layer}/batch=`)) {
      const batchId = parseBatchKey(object.key)?.batchId;
      if (batchId === undefined) continue;
      const objects = found.get(batchId) ?? new Map<Key, LakeObject>();
      found.set(batchId, objects.set(object.key, object));
    }
  };
  await Promise.all(layers.map(listInto));
  const { limit, state } = options;
  const newest = [...found]
    .sort(([a], [b]) => (a < b ? 1 : -1))
    // Without a condition on the state, the rest need not be read.
    .slice(0, state === undefined ? limit : undefined);
  const summaries = await mapParallel(newest, parallelReads, async ([batchId, objects]) => {
    const running = live.has(batchLeaseName(batchId));
    const summary = assessBatch(await readContents(lake, batchId, objects, running));
    // A publication between the listing and the reading looks like damage: only a fresh look counts.
    return summary.state === 'corrupt' ? lookAgain(lake, batchId, options) : summary;
  });
  return summaries
    .filter((summary) => summary !== undefined)
    .filter((summary) => state === undefined || summary.state === state)
    .slice(0, limit);
}

async function lookAgain(
  lake: Lake,
  batchId: string,
  options: ListOptions,
): Promise<BatchSummary | undefined> {
  const details = await inspectBatch(lake, batchId, options);
  if (details === undefined) return undefined;
  const { holder: _, manifests: __, unnamed: ___, ...summary } = details;
  return summary;
}

export interface BatchDetails extends BatchSummary {
  /** Who works on it; null when nobody does. */
  holder: LeaseRecord | null;
  /** Every readable manifest, with the hash of its bytes. */
  manifests: (Manifest & { sha256: string })[];
  /** Keys of objects that no manifest names. */
  unnamed: Key[];
}

/** All there is to know of a batch without reading its data. `BATCH_NOT_FOUND` (exit 2). */
export async function showBatch(
  lake: Lake,
  batchId: string,
  options: Pick<ListOptions, 'now'>,
): Promise<BatchDetails> {
  const details = await inspectBatch(lake, checkBatchId(batchId), options);
  if (details === undefined) throw batchNotFound(lake, batchId, await batchIds(lake));
  return details;
}

async function inspectBatch(
  lake: Lake,
  batchId: string,
  options: Pick<ListOptions, 'now'>,
): Promise<BatchDetails | undefined> {
  const holder = (await liveLeases(lake, options.now())).get(batchLeaseName(batchId));
  const lists = layers.map(async (layer) => {
    const found: LakeObject[] = [];
    for await (const object of listLayer(lake, layer, batchPrefix(layer, batchId)))
      found.push(object);
    return found;
  });
  const objects = new Map((await Promise.all(lists)).flat().map((object) => [object.key, object]));
  if (objects.size === 0 && holder === undefined) return undefined;
  const manifests: BatchDetails['manifests'] = [];
  const contents = await readContents(
    lake,
    batchId,
    objects,
    holder !== undefined,
    async (body) => {
      const manifest = await parseManifest(body);
      if (manifest !== undefined) manifests.push({ ...manifest, sha256: sha256Of(body) });
      return manifest;
    },
  );
  const named = new Set<Key>(layers.map((layer) => manifestKey(layer, batchId)));
  for (const { tables } of manifests) {
    for (const { files } of tables) for (const { key } of files) named.add(key);
  }
  return {
    ...assessBatch(contents),
    holder: holder ?? null,
    manifests,
    unnamed: [...objects.keys()].filter((key) => !named.has(key)),
  };
}

async function liveLeases(lake: Lake, now: Date): Promise<Map<string, LeaseRecord>> {
  const leases = await listLeases(lake, now);
  return new Map(
    leases.filter(({ live }) => live).map(({ live: _, ...record }) => [record.name, record]),
  );
}

async function readContents(
  lake: Lake,
  batchId: string,
  objects: ReadonlyMap<Key, LakeObject>,
  running: boolean,
  parse: (body: Buffer) => ManifestCore | undefined | Promise<ManifestCore | undefined> = parseCore,
): Promise<BatchContents> {
  const manifests = new Map<Layer, { sha256: string; core: ManifestCore | undefined }>();
  const bodies = await Promise.all(
    layers.map(async (layer) => {
      const key = manifestKey(layer, batchId);
      return objects.has(key) ? (await lake.readVersion(key))?.body : undefined;
    }),
  );
  for (const [index, layer] of layers.entries()) {
    const body = bodies[index];
    if (body !== undefined)
      manifests.set(layer, { sha256: sha256Of(body), core: await parse(body) });
  }
  const times = [...objects.values()].map(({ modifiedAt }) => modifiedAt.getTime());
  return {
    batchId,
    objects: new Map([...objects.values()].map(({ key, bytes }) => [key, bytes])),
    oldest: new Date(times.length === 0 ? 0 : Math.min(...times)),
    manifests,
    running,
  };
}

/**
 * What a list needs of a manifest; undefined when it is not whole. By hand, because the full
 * schema takes longer for 500 batches than everything else together.
 */
function parseCore(body: Buffer): ManifestCore | undefined {
  try {
    const core = JSON.parse(body.toString('utf8')) as ManifestCore & Pick<Manifest, 'format'>;
    const whole =
      core.format === 1 &&
      typeof core.createdAt === 'string' &&
      core.parents.every(({ key, sha256 }) => typeof key === 'string' && sha256.length === 64) &&
      core.tables.every(
        ({ name, rows, files }) =>
          typeof name === 'string' &&
          Number.isInteger(rows) &&
          files.every(({ key, bytes }) => typeof key === 'string' && Number.isInteger(bytes)),
      );
    return whole ? core : undefined;
  } catch {
    // Cut short, not JSON, or without one of the lists.
    return undefined;
  }
}
