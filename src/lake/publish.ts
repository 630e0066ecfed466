import { isOperatorError, type OperatorError, refused, throwIfAborted } from '../system/errors.js';
import { hashFile } from '../system/hash-file.js';
import { mapParallel } from '../system/parallel.js';
import type { Key, Lake, Layer } from './lake.js';
import { batchPrefix, checkBatchId, generationOf, manifestKey, tableFileKey } from './layout.js';
import type { Manifest, ManifestFile, ManifestTable, PublishedLayer } from './manifest.js';
import { parseManifest, sha256Of } from './published.js';

export { readLayer, requireLayer } from './published.js';

export interface DraftFile {
  /** A finished local file; consumed. */
  path: string;
  rows: number;
  /** Smallest and largest value of each key column, as text. */
  ranges: ManifestFile['ranges'];
}

export interface DraftTable {
  name: string;
  columns: ManifestTable['columns'];
  files: DraftFile[];
}

/** All that a manifest says, with local files in place of stored ones. */
export interface LayerDraft
  extends Pick<Manifest, 'batchId' | 'source' | 'parents' | 'rejected' | 'settings' | 'tool'> {
  layer: Layer;
  tables: DraftTable[];
  now: Date;
  /** When `lost` fires before the manifest is written, nothing is published. */
  guard?: { lost: AbortSignal };
}

/**
 * Makes a finished layer of a batch visible, in place of its previous generation if there is one.
 *
 * The files go beside those that readers see; the manifest, written last and only while the one
 * seen at the start is still in place, switches over; then everything older that it does not name is
 * removed, leftovers of interrupted attempts and unfinished uploads included. A crash at any point
 * leaves the old layer or the new one.
 *
 * Two publishers cannot mix their files, even where a lease was lost unnoticed: no file is ever
 * written over another, and a publisher removes another's files only where its own manifest made the
 * other's impossible: a newer generation may be published by now.
 *
 * Errors: `PUBLISH_CONFLICT` (exit 3) when another publisher was faster, those of the lake, and
 * the reason of `guard.lost`.
 */
export async function publishLayer(lake: Lake, draft: LayerDraft): Promise<PublishedLayer> {
  const { layer, batchId } = draft;
  const key = manifestKey(layer, checkBatchId(batchId));
  const previous = await lake.readVersion(key);
  const generation = await nextGeneration(lake, draft, previous?.body);
  const tables = await storeTables(lake, draft, generation);
  const manifest: Manifest = {
    format: 1,
    layer,
    batchId,
    generation,
    createdAt: draft.now.toISOString(),
    tool: draft.tool,
    source: draft.source,
    parents: draft.parents,
    tables,
    rejected: draft.rejected,
    settings: draft.settings,
  };
  const body = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
  const etag = await switchOver(lake, draft, { key, body, manifest, previous: previous?.etag });
  await removeUnnamed(lake, manifest);
  return { layer, manifest, sha256: sha256Of(body), etag };
}

/**
 * One more than the newest generation that is published, or that an interrupted attempt (which
 * may still be alive somewhere) began to write.
 */
async function nextGeneration(
  lake: Lake,
  { layer, batchId }: LayerDraft,
  manifest: Buffer | undefined,
): Promise<number> {
  // A damaged manifest is no obstacle: this publication is its repair.
  const published = manifest === undefined ? undefined : await parseManifest(manifest);
  let newest = published?.generation ?? 0;
  for await (const { key } of lake.list(batchPrefix(layer, batchId))) {
    newest = Math.max(newest, generationOf(key) ?? 0);
  }
  return newest + 1;
}

/** Files that are stored at once: a disk and a distant store have more to do than wait for one. */
const storedAtOnce = 4;

async function storeTables(
  lake: Lake,
  draft: LayerDraft,
  generation: number,
): Promise<ManifestTable[]> {
  const stored: Key[] = [];
  const drafts = draft.tables.flatMap((table) =>
    table.files.map((file, part) => ({ table: table.name, file, part, parts: table.files.length })),
  );
  try {
    const files = await mapParallel(drafts, storedAtOnce, async ({ table, file, part, parts }) => {
      const key = tableFileKey(draft.layer, draft.batchId, table, { part, parts, generation });
      const { sha256 } = await hashFile(file.path, draft.guard?.lost);
      const { bytes } = await lake.putFile(key, file.path, { ifAbsent: true });
      stored.push(key);
      return { key, rows: file.rows, bytes, sha256, ranges: file.ranges };
    });
    if (draft.guard !== undefined) throwIfAborted(draft.guard.lost);
    return draft.tables.map(({ name, columns }) => {
      const own = files.filter((_, index) => drafts[index]?.table === name);
      return { name, columns, rows: sum(own, 'rows'), bytes: sum(own, 'bytes'), files: own };
    });
  } catch (error) {
    await discard(lake, stored);
    throw isOperatorError(error) && error.code === 'OBJECT_EXISTS'
      ? conflict(lake, draft, error)
      : error;
  }
}

interface NewManifest {
  key: Key;
  body: Buffer;
  manifest: Manifest;
  /** Etag of the manifest this one replaces; undefined when there is none. */
  previous: string | undefined;
}

/** Puts the manifest, and finds out what happened when the put says it failed. */
async function switchOver(lake: Lake, draft: LayerDraft, next: NewManifest): Promise<string> {
  const { key, body, previous } = next;
  try {
    const condition = previous === undefined ? { ifAbsent: true } : { ifMatch: previous };
    return (await lake.put(key, body, condition)).etag;
  } catch (error) {
    const present = await lake.readVersion(key);
    // A store that answers late, or is asked twice, may refuse what it has already done.
    if (present?.body.equals(body)) return present.etag;
    const code = isOperatorError(error) ? error.code : '';
    if (code !== 'OBJECT_EXISTS' && code !== 'OBJECT_CHANGED') throw error;
    await discard(lake, namedKeys(next.manifest));
    throw conflict(lake, draft, error);
  }
}

async function removeUnnamed(lake: Lake, manifest: Manifest): Promise<void> {
  const { layer, batchId } = manifest;
  const named = new Set([...namedKeys(manifest), manifestKey(layer, batchId)]);
  const unnamed: Key[] = [];
  for await (const { key } of lake.list(batchPrefix(layer, batchId))) {
    const newer = (generationOf(key) ?? 0) > manifest.generation;
    if (!named.has(key) && !newer) unnamed.push(key);
  }
  await lake.remove(unnamed);
  await lake.callOffUploads?.(batchPrefix(layer, batchId));
}

/** Removes this attempt's files. The error that made it fail matters more than one from here. */
async function discard(lake: Lake, keys: readonly Key[]): Promise<void> {
  try {
    await lake.remove(keys);
  } catch {
    // No manifest names them: the next publication removes them.
  }
}

const conflict = (lake: Lake, draft: LayerDraft, cause: unknown): OperatorError =>
  refused(
    'PUBLISH_CONFLICT',
    `Another process published ${draft.layer} of batch ${draft.batchId} in ${lake.description} at the same time; what it published stays.`,
    { hint: 'Look at it with `reviewops batch show`, and run the stage again if needed.', cause },
  );

const namedKeys = (manifest: Manifest): Key[] =>
  manifest.tables.flatMap((table) => table.files.map((file) => file.key));

const sum = (files: readonly ManifestFile[], field: 'rows' | 'bytes'): number =>
  files.reduce((total, file) => total + file[field], 0);
