import type { LifecycleRule } from '@aws-sdk/client-s3';
import { type Aspect, ownName, unlessUnset, type WantedBucket } from './aspect.js';
import type { Bucket } from './bucket.js';
import { callOff, unfinishedUploads } from './unfinished.js';

/** Days after which the parts of an upload that nobody completed are removed. */
const abandonedDays = 7;

/** Smaller objects cost more to archive than to keep, and manifests have to stay readable. */
const archivedFromBytes = 1024 ** 2;

const readRules = async (bucket: Bucket): Promise<LifecycleRule[]> => {
  const answer = await unlessUnset(bucket, ({ client, sdk, options }) =>
    client.send(new sdk.GetBucketLifecycleConfigurationCommand({ Bucket: bucket.name }), options),
  );
  return answer?.Rules ?? [];
};

function ownRules(wanted: WantedBucket): LifecycleRule[] {
  const { prefix, batchPrefixes, leasesPrefix, archiveAfterDays, archiveClass } = wanted;
  const abort: LifecycleRule = {
    ID: `${ownName}-abort-uploads`,
    Status: 'Enabled',
    Filter: { Prefix: prefix },
    AbortIncompleteMultipartUpload: { DaysAfterInitiation: abandonedDays },
  };
  // A lease is written every few seconds: its old versions would outnumber everything else.
  const leases = [leasesPrefix ?? []].flat().map(
    (Prefix): LifecycleRule => ({
      ID: `${ownName}-leases`,
      Status: 'Enabled',
      Filter: { Prefix },
      NoncurrentVersionExpiration: { NoncurrentDays: 1 },
      Expiration: { ExpiredObjectDeleteMarker: true },
    }),
  );
  const archive = batchPrefixes.map(
    (Prefix, index): LifecycleRule => ({
      ID: `${ownName}-archive-${index}`,
      Status: 'Enabled',
      Filter: { And: { Prefix, ObjectSizeGreaterThan: archivedFromBytes } },
      Transitions: [{ Days: archiveAfterDays, StorageClass: archiveClass }],
    }),
  );
  return [abort, ...leases, ...(archiveAfterDays === 0 ? [] : archive)];
}

const isOwnRule = ({ ID }: LifecycleRule): boolean => ID?.startsWith(`${ownName}-`) === true;

/**
 * What a rule does, in one line; equal for rules that do the same. Without the limit of size, which
 * not every store gives back.
 */
const ruleText = (rule: LifecycleRule): string =>
  JSON.stringify([
    rule.ID,
    rule.Status,
    rule.Filter?.And?.Prefix ?? rule.Filter?.Prefix ?? rule.Prefix ?? '',
    rule.AbortIncompleteMultipartUpload?.DaysAfterInitiation ?? 0,
    rule.NoncurrentVersionExpiration?.NoncurrentDays ?? 0,
    (rule.Transitions ?? []).map(({ Days, StorageClass }) => [Days, StorageClass]),
  ]);

export const lifecycle: Aspect = {
  name: 'lifecycle',
  action: 'set the rules that remove unfinished uploads and old leases, and archive old batches',
  problem: async (bucket, wanted) => {
    const present = (await readRules(bucket)).filter(isOwnRule).map(ruleText);
    const needed = ownRules(wanted).map(ruleText);
    const missing = needed.filter((rule) => !present.includes(rule)).length;
    const extra = present.filter((rule) => !needed.includes(rule)).length;
    if (missing > 0 && present.length === 0) return 'unfinished uploads are never removed';
    return missing + extra > 0
      ? 'the lifecycle rules are not those of the configuration'
      : undefined;
  },
  apply: async (bucket, wanted) => {
    const others = (await readRules(bucket)).filter((rule) => !isOwnRule(rule));
    await bucket.send(({ client, sdk, options }) =>
      client.send(
        new sdk.PutBucketLifecycleConfigurationCommand({
          Bucket: bucket.name,
          LifecycleConfiguration: { Rules: [...others, ...ownRules(wanted)] },
        }),
        options,
      ),
    );
  },
};

/** Longer than any upload takes. */
const deadMilliseconds = 24 * 3600 * 1000;

async function* deadUploads(bucket: Bucket, { prefix }: WantedBucket) {
  for await (const upload of unfinishedUploads(bucket, prefix)) {
    if (Date.now() - upload.begunAt.getTime() > deadMilliseconds) yield upload;
  }
}

export const unfinished: Aspect = {
  name: 'unfinished-uploads',
  action: 'call off uploads that nobody has completed for a day',
  neededFor: () => false,
  problem: async (bucket, wanted) => {
    let count = 0;
    let oldest = new Date();
    for await (const { begunAt } of deadUploads(bucket, wanted)) {
      count += 1;
      if (begunAt < oldest) oldest = begunAt;
    }
    if (count === 0) return undefined;
    const since = oldest.toISOString().slice(0, 10);
    return `${count} uploads that nobody completed take space, the oldest since ${since}`;
  },
  apply: async (bucket, wanted) => {
    for await (const upload of deadUploads(bucket, wanted)) await callOff(bucket, upload);
  },
};
