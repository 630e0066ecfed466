import { statfs } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';
import { z } from 'zod';
import { type Layer, layers } from '../lake/lake.js';
import { formatBytes } from '../system/duration.js';
import { errorCode, isOperatorError } from '../system/errors.js';
import { defineRunbook, type Finding, type StepContext } from './engine/definition.js';
import { abridge } from './support/evidence.js';

const inputs = z.strictObject({});
type Context = StepContext<z.output<typeof inputs>>;

/** What a person does about each error of a store. */
const cures: Record<string, string> = {
  LAKE_CREDENTIALS_MISSING:
    'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment or .env, or AWS_PROFILE, or run where a role gives them.',
  LAKE_CREDENTIALS_INVALID:
    'The key is unknown, inactive or its secret is wrong: `aws sts get-caller-identity` must answer. Put a valid key into .env.',
  LAKE_CREDENTIALS_EXPIRED:
    'Renew the credential (`aws sso login`, or new temporary keys), then run this again.',
  LAKE_CLOCK_SKEW: 'Set the clock of this machine: `timedatectl set-ntp true`.',
  LAKE_ACCESS_DENIED:
    'The identity is right and lacks a right: compare its policy, the policy of the bucket and of the KMS key with what the message names (`reviewops lake policy --role data-engineer`).',
  BUCKET_NOT_FOUND:
    'Check lake.s3.bucket, lake.s3.env and the region; create it with `reviewops lake init` if it was never made. Somebody may have renamed or deleted it.',
  LAKE_WRONG_REGION: 'Set lake.s3.region to the region of the bucket.',
  LAKE_THROTTLED: 'Wait, lower lake.s3.parallelism, or raise lake.s3.maxAttempts.',
  LAKE_UNREACHABLE:
    'Check network, proxy and lake.s3.endpoint; for a local lake the mount and the disk (dmesg, mount).',
  PERMISSION_DENIED:
    'Give the user that runs reviewops the right to write there: chown or chmod the directory of the lake.',
  DISK_FULL: 'Make space: `reviewops batch purge --dry-run` says what can go.',
  KEY_CONFLICT:
    'A file lies where a directory of the lake must be: look at the path in the message and move it away.',
};

/** Looks at each place; the first word of an error is its code. */
async function probeAll<T extends string>(
  places: readonly T[],
  work: (place: T) => Promise<void>,
): Promise<{ place: T; error: string; message: string }[]> {
  const failures: { place: T; error: string; message: string }[] = [];
  for (const place of places) {
    try {
      await work(place);
    } catch (error) {
      if (!isOperatorError(error) || error.code === 'INTERRUPTED') throw error;
      failures.push({ place, error: error.code, message: error.message });
    }
  }
  return failures;
}

const probeFinding = (
  failures: { place: string; error: string; message: string }[],
  none: string,
): Finding =>
  failures.length === 0
    ? { state: 'ok', summary: none, evidence: { failures: [] } }
    : {
        state: 'critical',
        summary: abridge([...new Set(failures.map(({ message }) => message))], 2),
        evidence: { failures, error: failures[0]?.error ?? '' },
      };

/** Reads the first entry of each layer: asks for identity, bucket, region and the right to list. */
async function readFinding({ services }: Context): Promise<Finding> {
  const lake = await services.lake();
  const failures = await probeAll(layers, async (layer: Layer) => {
    for await (const _object of lake.list(`${layer}/`)) return;
  });
  return probeFinding(failures, `${lake.description} answers for every layer.`);
}

/** Writes, reads back and removes a small object in each place. */
async function writeFinding({ services }: Context): Promise<Finding> {
  const { probePlace, writtenPlaces } = await import('../diagnosis/lake-probe.js');
  const lake = await services.lake();
  const failures = await probeAll(writtenPlaces, (place) => probePlace(lake, place));
  return probeFinding(
    failures,
    `An object was written, read and removed in ${writtenPlaces.join(', ')}.`,
  );
}

/** Asks STS, which every valid credential may; a store without one leaves it unknown. */
async function identityFinding({ services, signal }: Context): Promise<Finding> {
  try {
    const identity = await services.identity?.(signal);
    if (identity === undefined) return { state: 'unknown', summary: 'Nobody can be asked.' };
    const { account, arn } = identity;
    return { state: 'ok', summary: `We are ${arn}.`, evidence: { account, arn } };
  } catch (error) {
    if (!isOperatorError(error) || error.code === 'INTERRUPTED') throw error;
    const state = error.code === 'IDENTITY_UNKNOWN' ? 'unknown' : 'critical';
    return { state, summary: error.message, evidence: { error: error.code } };
  }
}

const isLocal = ({ services }: Context): boolean => {
  const { kind, layers: places } = services.config.lake;
  return layers.some((layer) => (places[layer].kind ?? kind) === 'local');
};

/** The directories of the local layers. */
async function localPaths({ services }: Context): Promise<string[]> {
  const { lakePlaces } = await import('../lake/open.js');
  // The profile stands in the names of buckets only.
  const places = lakePlaces(services.config.lake, { home: services.home, profile: 'none' });
  const paths = layers.flatMap((layer) => {
    const place = places[layer];
    return place.kind === 'local' ? [place.path] : [];
  });
  return [...new Set(paths)];
}

/** The file system that a path lies on, or will lie on once it is made. */
async function spaceOf(path: string): Promise<{ free: number; total: number }> {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, blocks, bsize } = await statfs(at);
      return { free: bavail * bsize, total: blocks * bsize };
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' || !isAbsolute(at) || at === dirname(at)) throw error;
    }
  }
}

const failing = ({ results }: Context): Finding | undefined =>
  ['identity', 'read', 'write']
    .map((id) => results[id]?.finding)
    .find((one) => one?.state === 'critical');

export default defineRunbook({
  module: import.meta.url,
  id: 's3-errors',
  title: 'S3 or the lake gives errors',
  summary:
    'Asks the store who we are, whether each bucket is there and in its region, writes, reads and removes a test object in each place, looks at the space, and says in plain words what to change where. A local lake is checked in the same way.',
  symptoms: [
    'S3 errors',
    'AccessDenied',
    'Access Denied 403',
    'NoSuchBucket',
    'bucket not found',
    'PermanentRedirect wrong region',
    'ExpiredToken',
    'InvalidAccessKeyId',
    'SignatureDoesNotMatch',
    'upload failed',
    'SlowDown 503',
    'RequestTimeTooSkewed',
    'quota exceeded',
    'lake is not writable',
    'permission denied in the lake directory',
    'No space left on device',
  ],
  tags: ['lake', 's3', 'aws', 'credentials', 'storage'],
  roles: ['admin', 'data-engineer'],
  risk: 'read',
  inputs,
  targets: () => [],
  steps: [
    {
      kind: 'check',
      id: 'identity',
      title: 'Who are we?',
      why: 'STS answers whoever holds a valid credential, whatever it may do: a key that is wrong or expired shows here, and the name that it stands for is the one to look for in policies.',
      manual: () => 'aws sts get-caller-identity',
      when: ({ services }) =>
        services.identity === undefined ? 'A local lake asks nobody for a name.' : true,
      run: identityFinding,
    },
    {
      kind: 'check',
      id: 'read',
      title: 'Does each layer answer?',
      why: 'One listing a layer shows a bucket that is gone or in another region, a clock that is off, and a right that is missing: the store names which.',
      manual: () => 'aws s3 ls s3://BUCKET/ --region REGION',
      run: readFinding,
    },
    {
      kind: 'check',
      id: 'write',
      title: 'Can it be written, read and removed?',
      why: 'Reading and writing are different rights, and so is deleting. The test object is 32 bytes, is removed at once, and is no data.',
      manual: () =>
        'echo test | aws s3 cp - s3://BUCKET/gold/probe && aws s3 rm s3://BUCKET/gold/probe',
      when: ({ results }) =>
        results.read?.finding?.state === 'critical' ? 'It cannot even be read.' : true,
      run: writeFinding,
    },
    {
      kind: 'check',
      id: 'space',
      title: 'Is there space?',
      why: 'A full disk, or a full budget, looks like a failed upload.',
      manual: () => 'df -h .reviewops/data',
      when: (context) =>
        isLocal(context) ? true : 'S3 has no end; a budget is checked by health.',
      run: async (context): Promise<Finding> => {
        const sizes = await Promise.all(
          (await localPaths(context)).map(async (path) => ({ path, ...(await spaceOf(path)) })),
        );
        const full = sizes.filter(({ free, total }) => free < 0.05 * total || free < 1e9);
        return {
          state: full.length > 0 ? 'critical' : 'ok',
          summary: sizes.map(({ path, free }) => `${path}: ${formatBytes(free)} free`).join(', '),
          evidence: { sizes },
        };
      },
    },
    {
      kind: 'branch',
      id: 'elsewhere',
      title: 'Is it only the space?',
      why: 'Old batches are the first thing that can go.',
      manual: () => 'reviewops batch purge --dry-run',
      choose: async (context) => {
        const full =
          context.results.space?.finding?.state === 'critical' ||
          failing(context)?.evidence?.error === 'DISK_FULL';
        return full
          ? {
              to: 'runbook',
              runbook: 'purge-batches',
              input: {},
              why: `There is hardly any space: ${context.results.space?.finding?.summary ?? 'the disk is full'}.`,
            }
          : undefined;
      },
    },
    {
      kind: 'manual',
      id: 'outside',
      title: 'Have it cured where it can be cured',
      why: 'Keys, rights, buckets and disks are changed by those who own them.',
      manual: () => 'reviewops lake policy --role data-engineer',
      when: (context) => (failing(context) === undefined ? 'Nothing fails.' : true),
      instruction: (context) => {
        const finding = failing(context);
        const cure = cures[String(finding?.evidence?.error ?? '')] ?? 'See the message.';
        return `${finding?.summary ?? ''} ${cure}`.trim();
      },
    },
    {
      kind: 'check',
      id: 'prove',
      title: 'Does it work now?',
      why: 'The same questions as at the beginning.',
      manual: () => 'reviewops health --check lake --check lake-writable',
      must: true,
      when: (context) => (failing(context) === undefined ? 'It did from the beginning.' : true),
      run: async (context) => {
        const asked = context.services.identity === undefined ? [] : [identityFinding];
        for (const look of [...asked, readFinding]) {
          const finding = await look(context);
          if (finding.state === 'critical') return finding;
        }
        return writeFinding(context);
      },
    },
  ],
});
