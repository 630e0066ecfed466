import type { LifecycleRule } from '@aws-sdk/client-s3';
import type { Bucket, Request } from './bucket.js';
import { statusOf } from './errors.js';

/** The settings of a bucket that a lake needs: one list for `lake init` and `lake audit`. */

/** What the configuration wants of one bucket. */
export interface WantedBucket {
  /** The endpoint is reached without TLS: refusing that would lock us out. */
  plainHttp: boolean;
  encryption: 'none' | 's3' | 'kms';
  kmsKeyId: string | undefined;
  /** What keys of batches begin with. */
  batchPrefixes: readonly string[];
  /** 0 is never. */
  archiveAfterDays: number;
  archiveClass: 'GLACIER_IR' | 'GLACIER' | 'DEEP_ARCHIVE';
}

export interface Aspect {
  name: 'public-access' | 'encryption' | 'versioning' | 'lifecycle' | 'tls-only';
  /** What `apply` does, as an imperative. */
  action: string;
  /** What is not as it should be; undefined when all is well. Throws the SDK's errors. */
  problem(bucket: Bucket, wanted: WantedBucket): Promise<string | undefined>;
  apply(bucket: Bucket, wanted: WantedBucket): Promise<void>;
  /** What stands in the way of `apply`, and its cure. */
  impossible?(wanted: WantedBucket): { problem: string; fix: string } | undefined;
}

/** Days after which the parts of an upload that nobody completed are removed. */
const abandonedDays = 7;

/** Smaller objects cost more to archive than to keep, and manifests have to stay readable. */
const archivedFromBytes = 1024 ** 2;

/** Statements and rules with this name are ours; all others are left as they are. */
const ownName = 'reviewops';

/** What is not set is answered with 404. */
async function unlessUnset<T>(
  bucket: Bucket,
  ask: (request: Request) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await bucket.send(ask);
  } catch (error) {
    if (statusOf(error) === 404 && !(error instanceof Error && error.name === 'NoSuchBucket')) {
      return undefined;
    }
    throw error;
  }
}

const blockEverything = {
  BlockPublicAcls: true,
  IgnorePublicAcls: true,
  BlockPublicPolicy: true,
  RestrictPublicBuckets: true,
} as const;

const publicAccess: Aspect = {
  name: 'public-access',
  action: 'block all public access',
  problem: async (bucket) => {
    const answer = await unlessUnset(bucket, ({ client, sdk, options }) =>
      client.send(new sdk.GetPublicAccessBlockCommand({ Bucket: bucket.name }), options),
    );
    const set = answer?.PublicAccessBlockConfiguration;
    const open = Object.keys(blockEverything).filter(
      (name) => set?.[name as keyof typeof blockEverything] !== true,
    );
    return open.length === 0 ? undefined : `public access is not blocked (${open.join(', ')})`;
  },
  apply: async (bucket) => {
    await bucket.send(({ client, sdk, options }) =>
      client.send(
        new sdk.PutPublicAccessBlockCommand({
          Bucket: bucket.name,
          PublicAccessBlockConfiguration: blockEverything,
        }),
        options,
      ),
    );
  },
};

const encryption: Aspect = {
  name: 'encryption',
  action: 'encrypt new objects by default',
  problem: async (bucket, { encryption: wanted, kmsKeyId }) => {
    const answer = await unlessUnset(bucket, ({ client, sdk, options }) =>
      client.send(new sdk.GetBucketEncryptionCommand({ Bucket: bucket.name }), options),
    );
    const rule = answer?.ServerSideEncryptionConfiguration?.Rules?.[0];
    const { SSEAlgorithm: algorithm, KMSMasterKeyID: key } =
      rule?.ApplyServerSideEncryptionByDefault ?? {};
    if (wanted === 'none') return undefined;
    if (algorithm === undefined) return 'objects are not encrypted by default';
    if (wanted === 's3') return undefined;
    if (!algorithm.startsWith('aws:kms')) return `objects are encrypted with ${algorithm}, not KMS`;
    const other = kmsKeyId !== undefined && key !== undefined && !sameKey(key, kmsKeyId);
    return other ? 'objects are encrypted with another KMS key' : undefined;
  },
  apply: async (bucket, { encryption: wanted, kmsKeyId }) => {
    const key = kmsKeyId === undefined ? {} : { KMSMasterKeyID: kmsKeyId };
    const byDefault =
      wanted === 'kms'
        ? { SSEAlgorithm: 'aws:kms' as const, ...key }
        : { SSEAlgorithm: 'AES256' as const };
    await bucket.send(({ client, sdk, options }) =>
      client.send(
        new sdk.PutBucketEncryptionCommand({
          Bucket: bucket.name,
          ServerSideEncryptionConfiguration: {
            Rules: [
              {
                ApplyServerSideEncryptionByDefault: byDefault,
                BucketKeyEnabled: wanted === 'kms',
              },
            ],
          },
        }),
        options,
      ),
    );
  },
};

/** A key goes by its id, and by ARNs and aliases that end in it. */
const sameKey = (a: string, b: string): boolean =>
  a === b || a.endsWith(`/${b}`) || b.endsWith(`/${a}`) || a.endsWith(`:${b}`);

const versioning: Aspect = {
  name: 'versioning',
  action: 'keep old versions of objects',
  problem: async (bucket) => {
    const { Status } = await bucket.send(({ client, sdk, options }) =>
      client.send(new sdk.GetBucketVersioningCommand({ Bucket: bucket.name }), options),
    );
    return Status === 'Enabled'
      ? undefined
      : 'versions are not kept: what is deleted or overwritten is lost';
  },
  apply: async (bucket) => {
    await bucket.send(({ client, sdk, options }) =>
      client.send(
        new sdk.PutBucketVersioningCommand({
          Bucket: bucket.name,
          VersioningConfiguration: { Status: 'Enabled' },
        }),
        options,
      ),
    );
  },
};

const readRules = async (bucket: Bucket): Promise<LifecycleRule[]> => {
  const answer = await unlessUnset(bucket, ({ client, sdk, options }) =>
    client.send(new sdk.GetBucketLifecycleConfigurationCommand({ Bucket: bucket.name }), options),
  );
  return answer?.Rules ?? [];
};

function ownRules({ batchPrefixes, archiveAfterDays, archiveClass }: WantedBucket) {
  const abort: LifecycleRule = {
    ID: `${ownName}-abort-uploads`,
    Status: 'Enabled',
    Filter: { Prefix: '' },
    AbortIncompleteMultipartUpload: { DaysAfterInitiation: abandonedDays },
  };
  const archive = batchPrefixes.map(
    (Prefix, index): LifecycleRule => ({
      ID: `${ownName}-archive-${index}`,
      Status: 'Enabled',
      Filter: { And: { Prefix, ObjectSizeGreaterThan: archivedFromBytes } },
      Transitions: [{ Days: archiveAfterDays, StorageClass: archiveClass }],
    }),
  );
  return archiveAfterDays === 0 ? [abort] : [abort, ...archive];
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
    (rule.Transitions ?? []).map(({ Days, StorageClass }) => [Days, StorageClass]),
  ]);

const lifecycle: Aspect = {
  name: 'lifecycle',
  action: 'set the rules that remove unfinished uploads and archive old batches',
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

interface Statement {
  Sid?: string;
  Effect?: string;
  Condition?: { Bool?: Record<string, unknown> };
  [member: string]: unknown;
}

interface Policy {
  Version: string;
  Statement: Statement[];
}

const tlsSid = `${ownName}TlsOnly`;

async function readPolicy(bucket: Bucket): Promise<Policy> {
  const answer = await unlessUnset(bucket, ({ client, sdk, options }) =>
    client.send(new sdk.GetBucketPolicyCommand({ Bucket: bucket.name }), options),
  );
  const { Version = '2012-10-17', Statement = [] } = JSON.parse(answer?.Policy ?? '{}') as {
    Version?: string;
    Statement?: Statement | Statement[];
  };
  return { Version, Statement: [Statement].flat() };
}

const refusesPlainHttp = ({ Effect, Condition }: Statement): boolean =>
  Effect === 'Deny' && String(Condition?.Bool?.['aws:SecureTransport']) === 'false';

const tlsOnly: Aspect = {
  name: 'tls-only',
  action: 'refuse requests without TLS',
  problem: async (bucket) =>
    (await readPolicy(bucket)).Statement.some(refusesPlainHttp)
      ? undefined
      : 'requests without TLS are not refused',
  impossible: ({ plainHttp }) =>
    plainHttp
      ? {
          problem: 'the endpoint is plain HTTP: what travels can be read and changed',
          fix: 'Set lake.s3.endpoint (or AWS_ENDPOINT_URL) to an https address, then run `reviewops lake init`.',
        }
      : undefined,
  apply: async (bucket) => {
    const policy = await readPolicy(bucket);
    const arn = `arn:${partitionOf(bucket.connection.settings.region)}:s3:::${bucket.name}`;
    const own: Statement = {
      Sid: tlsSid,
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:*',
      Resource: [arn, `${arn}/*`],
      Condition: { Bool: { 'aws:SecureTransport': 'false' } },
    };
    const others = policy.Statement.filter(({ Sid }) => Sid !== tlsSid);
    await bucket.send(({ client, sdk, options }) =>
      client.send(
        new sdk.PutBucketPolicyCommand({
          Bucket: bucket.name,
          Policy: JSON.stringify({ ...policy, Statement: [...others, own] }),
        }),
        options,
      ),
    );
  },
};

/** The part of AWS that a region belongs to, as ARNs name it. */
export function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}

/** In the order in which a new bucket gets them: nothing is public for a moment. */
export const aspects: readonly Aspect[] = [
  publicAccess,
  encryption,
  versioning,
  lifecycle,
  tlsOnly,
];
