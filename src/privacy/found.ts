import type { Lake } from '../lake/lake.js';
import { foundKey } from '../lake/privacy-layout.js';
import { failed } from '../system/errors.js';
import type { PrivacyKeys } from './keys.js';
import { Needles } from './needles.js';
import type { RequestRecord } from './requests.js';

/** What a run found about its people, and whose requests that are. */
export interface Found {
  requestIds: string[];
  needles: Needles;
}

/**
 * Keeps what a run found, sealed: once the first rows are gone, nothing else leads from an address
 * to the ids in other tables and files. Kept until the erasure is final.
 */
export async function keepFound(
  lake: Lake,
  keys: PrivacyKeys,
  runId: string,
  { requestIds, needles }: Found,
): Promise<void> {
  const values = needles.domains().map((domain) => [domain, needles.of(domain)]);
  await lake.put(foundKey(runId), keys.seal(runId, JSON.stringify({ requestIds, values })));
}

/** @throws FOUND_MISSING (exit 1) */
export async function readFound(lake: Lake, keys: PrivacyKeys, runId: string): Promise<Found> {
  const found = await lake.readVersion(foundKey(runId));
  if (found === undefined) {
    throw failed('FOUND_MISSING', `What run ${runId} found is gone: ${foundKey(runId)}.`, {
      hint: 'Restore it from a version or a copy of the lake: without it nobody knows any more which ids are the person’s.',
    });
  }
  const { requestIds, values } = JSON.parse(keys.open(runId, found.body.toString('utf8'))) as {
    requestIds: string[];
    values: [string, string[]][];
  };
  const needles = new Needles();
  for (const [domain, own] of values) needles.add(domain, own);
  return { requestIds, needles };
}

/** All runs that know something about the person of a request. */
export const runsOf = ({ begun, runId }: Pick<RequestRecord, 'begun' | 'runId'>): string[] => [
  ...new Set([...begun, ...(runId === null ? [] : [runId])]),
];

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
