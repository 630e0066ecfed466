import { type Aspect, ownName, unlessUnset } from './aspect.js';
import type { Bucket } from './bucket.js';
import { lifecycle, unfinished } from './lifecycle.js';

/** The settings of a bucket that a lake needs: one list for `lake init` and `lake audit`. */

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
  neededFor: ({ encryption: wanted }) => wanted !== 'none',
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
  unfinished,
];
