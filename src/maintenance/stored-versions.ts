import { type Key, type Lake, layers } from '../lake/lake.js';
import type { LakeVersion } from '../lake/lake-versions.js';
import { batchPrefix } from '../lake/layout.js';
import { ExitCode, isOperatorError } from '../system/errors.js';

/** What a store with versions holds of something, and what deleting it would give back. */
export interface StoredVersions {
  /** Delete markers included. */
  versions: number;
  /** Of all versions, which is what is paid for. */
  bytes: number;
  /** Bytes that go when the present objects are deleted; the others stay as old versions. */
  freedByDeleting: number;
}

/**
 * What is stored of a batch of which `objects` are there. Undefined where the store keeps no
 * versions, `unknown` where it does not let us look.
 */
export async function storedVersions(
  lake: Lake,
  batchId: string,
  objects: number,
): Promise<StoredVersions | 'unknown' | undefined> {
  if (lake.versions === undefined) return undefined;
  const sum: StoredVersions = { versions: 0, bytes: 0, freedByDeleting: 0 };
  try {
    for await (const version of versionsOf(lake, batchId)) {
      sum.versions += 1;
      sum.bytes += version.bytes;
      // An object without a version id is replaced by the delete; one that has an id is kept.
      if (version.latest && version.versionId === unversioned) sum.freedByDeleting += version.bytes;
    }
    // An object that is there is a version. Some stores answer the question as if it were another.
    return sum.versions < objects ? undefined : sum;
  } catch (error) {
    if (isOperatorError(error) && error.exitCode === ExitCode.failed) return 'unknown';
    throw error;
  }
}

/** The version id of what was written while a bucket kept no versions. */
const unversioned = 'null';

/**
 * Every version of a batch that was there when its newest object was `newest`, and the marks that
 * deleting left. What somebody wrote later is not among them.
 */
export async function* versionsUntil(
  lake: Lake,
  batchId: string,
  newest: Date,
): AsyncGenerator<LakeVersion> {
  for await (const version of versionsOf(lake, batchId)) {
    if (version.deleted || version.modifiedAt <= newest) yield version;
  }
}

async function* versionsOf(lake: Lake, batchId: string): AsyncGenerator<LakeVersion> {
  for (const layer of layers.toReversed()) {
    const prefix: Key = batchPrefix(layer, batchId);
    if (lake.versions !== undefined) yield* lake.versions.list(prefix);
  }
}
