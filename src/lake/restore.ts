import { failed, refused, throwIfAborted } from '../system/errors.js';
import { describeOwner, thisProcess } from '../system/owner.js';
import type { JobContext } from '../system/progress.js';
import { type Key, type Lake, type Layer, layers } from './lake.js';
import type { LakeVersion, LakeVersions } from './lake-versions.js';
import { batchLeaseName, batchPrefix, checkBatchId, manifestKey } from './layout.js';
import { acquireLease } from './lease.js';
import type { Manifest } from './manifest.js';
import { batchIds, batchNotFound, parseManifest } from './published.js';

export interface RestoreRequest {
  batchId: string;
  layers: readonly Layer[];
  /** The publication that was the present one at this time; without it, the newest whole one. */
  at: Date | undefined;
}

export interface LayerRestore {
  layer: Layer;
  /** What has to be done: nothing for a layer that is as it should be, or of which nothing is left. */
  state: 'whole' | 'restorable' | 'lost' | 'absent';
  /** When the publication that comes back was made. ISO 8601, UTC. */
  publishedAt: string | null;
  /** Objects that are brought back, the manifest last. */
  objects: { key: Key; versionId: string; bytes: number }[];
  /** Files of another publication that are removed afterwards; their versions stay. */
  superseded: Key[];
  /** For a lost layer: what cannot be brought back. */
  problem: string | null;
}

export interface RestorePlan {
  batchId: string;
  layers: LayerRestore[];
}

/**
 * Finds out what of a batch can be brought back from old versions. Changes nothing.
 *
 * Errors: `LAKE_KEEPS_NO_VERSIONS`, `BATCH_NOT_FOUND` (exit 2), and those of the lake.
 */
export async function planRestore(lake: Lake, request: RestoreRequest): Promise<RestorePlan> {
  const batchId = checkBatchId(request.batchId);
  const { versions } = lake;
  if (versions === undefined) throw keepsNoVersions(lake, batchId);
  const plans: LayerRestore[] = [];
  for (const layer of request.layers)
    plans.push(await planLayer(versions, { ...request, batchId, layer }));
  if (plans.every(({ state }) => state === 'absent')) {
    const known = await batchIds(lake);
    throw known.includes(batchId)
      ? nothingKept(lake, batchId, request.layers)
      : batchNotFound(lake, batchId, known);
  }
  return { batchId, layers: plans };
}

const nothingKept = (lake: Lake, batchId: string, wanted: readonly Layer[]) =>
  failed(
    'VERSIONS_NOT_FOUND',
    `${lake.description} keeps no version of ${wanted.join(', ')} of batch ${batchId}.`,
    { hint: makeAgain(batchId) },
  );

const makeAgain = (batchId: string): string =>
  `Make the batch again: \`reviewops pipeline run --batch-id ${batchId}\`.`;

const keepsNoVersions = (lake: Lake, batchId: string) =>
  failed('LAKE_KEEPS_NO_VERSIONS', `${lake.description} keeps no old versions to restore from.`, {
    hint: `${makeAgain(batchId)} A lake on S3 with versions (\`reviewops lake init\`) can be restored.`,
  });

const planChanged = (batchId: string) =>
  refused('PLAN_CHANGED', `Batch ${batchId} has changed since the plan was shown.`, {
    hint: `Nothing was brought back. Look at it with \`reviewops batch show ${batchId}\`, then run it again.`,
  });

interface LayerRequest extends RestoreRequest {
  layer: Layer;
}

async function planLayer(
  versions: LakeVersions,
  { layer, batchId, at }: LayerRequest,
): Promise<LayerRestore> {
  const byKey = new Map<Key, LakeVersion[]>();
  for await (const version of versions.list(batchPrefix(layer, batchId))) {
    const own = byKey.get(version.key) ?? [];
    byKey.set(version.key, own);
    own.push(version);
  }
  const nothing = { layer, publishedAt: null, objects: [], superseded: [], problem: null };
  const key = manifestKey(layer, batchId);
  const publications = (byKey.get(key) ?? []).filter(
    ({ deleted, modifiedAt }) => !deleted && (at === undefined || modifiedAt <= at),
  );
  if (publications.length === 0) return { ...nothing, state: 'absent' };
  let problem = 'no manifest can be read';
  for (const publication of publications) {
    const manifest = await parseManifest(await versions.read(key, publication.versionId));
    if (manifest === undefined || manifest.layer !== layer) continue;
    const found = recover(manifest, byKey);
    if (typeof found === 'string') {
      problem = found;
      // The publication of that moment was asked for, and no other.
      if (at !== undefined) break;
      continue;
    }
    const objects = publication.latest ? found : [...found, publication];
    return {
      ...nothing,
      state: objects.length === 0 ? 'whole' : 'restorable',
      publishedAt: manifest.createdAt,
      objects: objects.map(({ key: name, versionId, bytes }) => ({ key: name, versionId, bytes })),
      superseded: objects.length === 0 ? [] : unnamedKeys(manifest, key, byKey),
    };
  }
  return { ...nothing, state: 'lost', problem };
}

/** The versions that have to come back for this manifest, or why that is not possible. */
function recover(
  manifest: Manifest,
  byKey: ReadonlyMap<Key, readonly LakeVersion[]>,
): LakeVersion[] | string {
  const back: LakeVersion[] = [];
  for (const { key, bytes } of manifest.tables.flatMap(({ files }) => files)) {
    const candidates = (byKey.get(key) ?? []).filter((v) => !v.deleted && v.bytes === bytes);
    const [newest] = candidates;
    if (newest === undefined) return `no version of ${key} is left`;
    if (!candidates.some(({ latest }) => latest)) back.push(newest);
  }
  return back;
}

/** What is there and not part of this publication: files of a later one. */
function unnamedKeys(
  manifest: Manifest,
  own: Key,
  byKey: ReadonlyMap<Key, readonly LakeVersion[]>,
): Key[] {
  const named = new Set(manifest.tables.flatMap(({ files }) => files.map(({ key }) => key)));
  return [...byKey]
    .filter(([key]) => key !== own && !named.has(key))
    .filter(([, versions]) => versions.some(({ latest, deleted }) => latest && !deleted))
    .map(([key]) => key);
}

export const objectsToRestore = ({ layers: plans }: RestorePlan): number =>
  plans.reduce((sum, { objects }) => sum + objects.length, 0);

/**
 * Brings back what the plan names: the files of a layer, then its manifest, lower layers first;
 * then the files of the publication it replaces go. A crash leaves at worst files that no manifest
 * names, and running it again completes it. `mayReturn` is asked under the lease, and throws when
 * something in the plan must not come back.
 *
 * Errors: `LEASE_HELD` (exit 3) while somebody works on the batch, `PLAN_CHANGED` (exit 3) when
 * somebody did since the plan was made, and those of the lake.
 */
export async function restoreBatch(
  lake: Lake,
  request: RestoreRequest,
  plan: RestorePlan,
  job: JobContext,
  mayReturn: (plan: RestorePlan) => Promise<void>,
): Promise<void> {
  const { versions } = lake;
  if (versions === undefined) throw keepsNoVersions(lake, plan.batchId);
  const lease = await acquireLease(lake, batchLeaseName(plan.batchId), {
    owner: thisProcess(),
    now: job.now,
    signal: job.signal,
    onTakeover: (previous) =>
      job.report({ type: 'notice', message: `Took over from ${describeOwner(previous)}.` }),
  });
  const started = performance.now();
  const task = `restore ${plan.batchId}`;
  const total = objectsToRestore(plan);
  let done = 0;
  try {
    // What was published meanwhile may have removed files that the plan found in place.
    const present = await planRestore(lake, request);
    if (JSON.stringify(present) !== JSON.stringify(plan)) throw planChanged(plan.batchId);
    await mayReturn(plan);
    job.report({ type: 'started', task, total, unit: 'files' });
    for (const layer of layers) {
      const entry = plan.layers.find((candidate) => candidate.layer === layer);
      const { objects = [], superseded = [] } = entry ?? {};
      for (const object of objects) {
        throwIfAborted(job.signal);
        throwIfAborted(lease.lost);
        await versions.restore(object);
        done += 1;
        job.report({ type: 'progress', task, done, total, unit: 'files' });
      }
      await lake.remove(superseded);
    }
  } finally {
    await lease.release();
  }
  const seconds = (performance.now() - started) / 1000;
  job.report({ type: 'finished', task, seconds, summary: `${done} objects` });
}
