import { randomBytes } from 'node:crypto';
import type { Key, Lake, Layer } from '../lake/lake.js';
import type { LakeVersion } from '../lake/lake-versions.js';
import { probeKey, probePrefix } from '../lake/layout.js';
import { isOperatorError } from '../system/errors.js';
import { mapParallel } from '../system/parallel.js';

/** Where the pipeline writes. */
export const writtenPlaces = ['bronze', 'silver', 'gold', 'logs'] as const;

/**
 * Writes a small object, reads it back and removes it, and the versions of it that a bucket kept.
 * Throws what the lake throws; nothing is left behind then either, where it can be removed.
 */
export async function probePlace(lake: Lake, place: Layer | 'logs'): Promise<void> {
  const body = randomBytes(32).toString('hex');
  const key = probeKey(place, body);
  try {
    await lake.put(key, body, { ifAbsent: true });
    if ((await lake.read(key)).toString('utf8') !== body) {
      throw new Error(`${key} was read back with another content than it was written with.`);
    }
  } finally {
    await lake.remove([key]);
  }
  await removeProbeVersions(lake, place, (version) => version.key === key);
}

/** Removes probes that nobody waits for any more, and what a bucket kept of them. */
export async function removeOldProbes(
  lake: Lake,
  keys: readonly Key[],
  before: Date,
): Promise<void> {
  if (keys.length > 0) await lake.remove(keys);
  await mapParallel(writtenPlaces, writtenPlaces.length, (place) =>
    removeProbeVersions(lake, place, ({ modifiedAt }) => modifiedAt < before),
  );
}

/** Whoever may delete an object need not see its versions, nor delete them: then they stay. */
async function removeProbeVersions(
  lake: Lake,
  place: Layer | 'logs',
  ours: (version: LakeVersion) => boolean,
): Promise<void> {
  const { versions } = lake;
  if (versions === undefined) return;
  const found: LakeVersion[] = [];
  try {
    for await (const version of versions.list(probePrefix(place))) {
      if (ours(version)) found.push(version);
    }
    if (found.length > 0) await versions.remove(found);
  } catch (error) {
    if (!isOperatorError(error) || error.code !== 'LAKE_ACCESS_DENIED') throw error;
  }
}
