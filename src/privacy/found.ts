import type { Lake } from '../lake/lake.js';
import { foundKey } from '../lake/privacy-layout.js';
import { failed } from '../system/errors.js';
import type { PrivacyKeys } from './keys.js';
import { Needles } from './needles.js';

/**
 * What a run found about its people, sealed: once their rows are gone, nothing else leads from an
 * address to the ids in old files. Kept until the erasure is final.
 */
export async function keepFound(
  lake: Lake,
  keys: PrivacyKeys,
  runId: string,
  needles: Needles,
): Promise<void> {
  const values = needles.domains().map((domain) => [domain, needles.of(domain)]);
  await lake.put(foundKey(runId), keys.seal(runId, JSON.stringify(values)));
}

/** @throws FOUND_MISSING (exit 1) */
export async function readFound(lake: Lake, keys: PrivacyKeys, runId: string): Promise<Needles> {
  const found = await lake.readVersion(foundKey(runId));
  if (found === undefined) {
    throw failed('FOUND_MISSING', `What run ${runId} found is gone: ${foundKey(runId)}.`, {
      hint: 'Start anew: reviewops gdpr plan.',
    });
  }
  const needles = new Needles();
  const values = JSON.parse(keys.open(runId, found.body.toString('utf8'))) as [string, string[]][];
  for (const [domain, own] of values) needles.add(domain, own);
  return needles;
}

/** Removes an object of the tool's own with every version of it. */
export async function forget(lake: Lake, key: string): Promise<void> {
  await lake.remove([key]);
  if (lake.versions === undefined) return;
  const versions: { key: string; versionId: string }[] = [];
  for await (const version of lake.versions.list(key)) {
    if (version.key === key) versions.push({ key, versionId: version.versionId });
  }
  await lake.versions.remove(versions);
}
