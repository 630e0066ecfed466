import { describeParquet, parquetSource } from '../engine/parquet.js';
import type { Engine } from '../engine/session.js';
import { type Key, layers } from '../lake/lake.js';
import { manifestKey } from '../lake/layout.js';
import type { Manifest, ManifestFile } from '../lake/manifest.js';
import { parseManifest, readLayer, sha256Of } from '../lake/published.js';
import { isOperatorError } from '../system/errors.js';
import { hashFile } from '../system/hash-file.js';
import type { PlannedObject } from './erasure-plan.js';
import { readEntries } from './journal.js';
import type { LakeErasure } from './lake-erasure.js';

/**
 * Manifests follow their files, and children the hashes of their parents: rows, bytes, hashes and
 * ranges become those of the files as they are now. Safe to run again.
 */
export async function followManifests(
  work: LakeErasure,
  engine: Engine,
  scratch: string,
  batchId: string,
  rewritten: readonly PlannedObject[],
): Promise<void> {
  const { lake, journal, runId } = work;
  const keys = new Set(rewritten.map(({ key }) => key));
  const replaced = await replacedManifests(work);
  for (const layer of layers) {
    const published = await readLayer(lake, layer, batchId).catch((error: unknown) => {
      // A damaged manifest names nothing; the batch has to be made again anyway.
      if (isOperatorError(error) && error.code === 'MANIFEST_CORRUPT') return undefined;
      throw error;
    });
    if (published === undefined) continue;
    const { manifest } = published;
    const parents = manifest.parents.map(({ key, sha256 }) => ({
      key,
      sha256: replaced.get(sha256) ?? sha256,
    }));
    const next: Manifest = {
      ...(await describeAgain(work, engine, scratch, manifest, keys)),
      parents,
    };
    const body = `${JSON.stringify(next, null, 2)}\n`;
    const sha256 = sha256Of(Buffer.from(body));
    const key = manifestKey(layer, batchId);
    if (sha256 === published.sha256) {
      await purgeRevealing(work, key);
      continue;
    }
    await journal.append({
      type: 'manifest.writing',
      runId,
      key,
      from: published.sha256,
      sha256,
    });
    await lake.put(key, body, { ifMatch: published.etag });
    replaced.set(published.sha256, sha256);
    await purgeRevealing(work, key);
  }
}

/** Old manifests whose ranges of keys begin or end with the person. */
async function purgeRevealing(work: LakeErasure, key: Key): Promise<void> {
  const { lake, journal, runId, needles } = work;
  if (lake.versions === undefined) return;
  const ids = new Set(['customer', 'buyer'].flatMap((domain) => needles.of(domain)));
  const versions: { key: Key; versionId: string }[] = [];
  for await (const { key: name, versionId, latest, deleted } of lake.versions.list(key)) {
    if (name !== key || latest || deleted) continue;
    const manifest = await parseManifest(await lake.versions.read(key, versionId));
    const bounds = (manifest?.tables ?? []).flatMap(({ files }) =>
      files.flatMap(({ ranges }) => Object.values(ranges).flatMap(({ min, max }) => [min, max])),
    );
    if (bounds.some((bound) => bound !== null && ids.has(bound))) {
      versions.push({ key, versionId });
    }
  }
  if (versions.length === 0) return;
  const purged = versions.map(({ versionId }) => versionId);
  await journal.append({ type: 'manifest.purging', runId, key, versions: purged });
  await lake.versions.remove(versions);
}

/** From the hash of a manifest to that of the one which took its place. */
async function replacedManifests({ home, runId }: LakeErasure): Promise<Map<string, string>> {
  const replaced = new Map<string, string>();
  for (const { event } of await readEntries(home)) {
    if (event.type === 'manifest.writing' && event.runId === runId) {
      replaced.set(String(event.from), String(event.sha256));
    }
  }
  return replaced;
}

async function describeAgain(
  { lake }: LakeErasure,
  engine: Engine,
  scratch: string,
  manifest: Manifest,
  rewritten: ReadonlySet<Key>,
): Promise<Manifest> {
  const rejected = { ...manifest.rejected };
  const tables = [];
  for (const table of manifest.tables) {
    const files: ManifestFile[] = [];
    const paths: string[] = [];
    const touched = table.files.some(({ key }) => rewritten.has(key));
    // Its reasons are counted over all of its files.
    const counted = touched && manifest.layer === 'silver' && table.name === 'rejected';
    const copies = [];
    for (const file of table.files) {
      if (!rewritten.has(file.key) && !counted) {
        files.push(file);
        continue;
      }
      const copy = await lake.fetch(file.key, scratch);
      copies.push(copy);
      const { rows, ranges } = await describeParquet(engine, copy.path, Object.keys(file.ranges));
      files.push({ ...file, rows, ranges, ...(await hashFile(copy.path)) });
      paths.push(copy.path);
    }
    if (counted) Object.assign(rejected, await reasons(engine, paths, rejected));
    for (const copy of copies) await copy.dispose();
    const sum = (field: 'rows' | 'bytes') => files.reduce((total, file) => total + file[field], 0);
    tables.push({ ...table, files, rows: sum('rows'), bytes: sum('bytes') });
  }
  return { ...manifest, tables, rejected };
}

/** Rejected rows by rule; a rule that nothing breaks any more counts 0. */
async function reasons(
  engine: Engine,
  paths: readonly string[],
  before: Record<string, number>,
): Promise<Record<string, number>> {
  const counts = await engine.rows<{ reason: string; rows: number }>(
    `SELECT reason, count(*) AS rows FROM ${parquetSource(paths)} GROUP BY reason`,
  );
  return Object.fromEntries(
    Object.keys(before).map((reason) => [
      reason,
      counts.find((count) => count.reason === reason)?.rows ?? 0,
    ]),
  );
}
