import { createHash } from 'node:crypto';
import type { BucketLocationConstraint } from '@aws-sdk/client-s3';
import { failed, isOperatorError, type OperatorError, throwIfAborted } from '../system/errors.js';
import type { JobContext } from '../system/progress.js';
import { bucketExists, type LakeBucket } from './buckets.js';
import type { Layer, PutCondition } from './lake.js';
import type { WantedBucket } from './s3/aspect.js';
import { aspects } from './s3/aspects.js';
import type { Bucket } from './s3/bucket.js';
import type { Removal } from './s3/remove.js';

export interface BucketPlan {
  bucket: string;
  layers: Layer[];
  /** What will be done, in this order; empty when nothing is missing. */
  actions: { name: string; action: string; reason: string }[];
  /** Settings that the store does not know; nothing is done about them. */
  unknown: { name: string; problem: string }[];
}

export interface ProvisionPlan {
  planHash: string;
  buckets: BucketPlan[];
}

/** What has to be done so that every bucket is there and set as it should be. Changes nothing. */
export async function planProvision(buckets: readonly LakeBucket[]): Promise<ProvisionPlan> {
  const plans: BucketPlan[] = [];
  for (const entry of buckets) {
    const { bucket, layers, wanted } = entry;
    const exists = await bucketExists(entry);
    plans.push({
      bucket: bucket.name,
      layers,
      ...(exists ? await planPresent(bucket, wanted) : planNew(bucket, wanted)),
    });
  }
  const planHash = createHash('sha256').update(JSON.stringify(plans)).digest('hex').slice(0, 16);
  return { planHash, buckets: plans };
}

function planNew(bucket: Bucket, wanted: WantedBucket): Pick<BucketPlan, 'actions' | 'unknown'> {
  const { region } = bucket.connection.settings;
  const create = { name: 'bucket', action: `create the bucket in ${region}` };
  const needed = aspects.filter(
    (aspect) => aspect.impossible?.(wanted) === undefined && aspect.neededFor?.(wanted) !== false,
  );
  return {
    actions: [
      { ...create, reason: 'it does not exist' },
      ...needed.map(({ name, action }) => ({ name, action, reason: 'the bucket is new' })),
    ],
    unknown: [],
  };
}

async function planPresent(
  bucket: Bucket,
  wanted: WantedBucket,
): Promise<Pick<BucketPlan, 'actions' | 'unknown'>> {
  const plan: Pick<BucketPlan, 'actions' | 'unknown'> = { actions: [], unknown: [] };
  for (const { name, action, problem, impossible } of aspects) {
    if (impossible?.(wanted) !== undefined) continue;
    try {
      const reason = await bucket.guard(undefined, () => problem(bucket, wanted));
      if (reason !== undefined) plan.actions.push({ name, action, reason });
    } catch (error) {
      if (!isUnknown(error)) throw error;
      plan.unknown.push({ name, problem: error.message });
    }
  }
  return plan;
}

/** Whether a compatible store does not know what it was asked for. */
const isUnknown = (error: unknown): error is OperatorError =>
  isOperatorError(error) && error.code === 'LAKE_REFUSED';

export const actionCount = ({ buckets }: ProvisionPlan): number =>
  buckets.reduce((sum, { actions }) => sum + actions.length, 0);

/**
 * Carries out a plan. Each action states an outcome, so one that was carried out already, or that
 * is interrupted and run again, does no harm. Tells which settings the store does not keep.
 */
export async function provision(
  buckets: readonly LakeBucket[],
  plan: ProvisionPlan,
  job: JobContext,
): Promise<void> {
  const started = performance.now();
  const total = actionCount(plan);
  const task = 'lake init';
  job.report({ type: 'started', task, total });
  let done = 0;
  const unknown = new Set<string>();
  for (const { bucket, wanted } of buckets) {
    const actions = plan.buckets.find((entry) => entry.bucket === bucket.name)?.actions ?? [];
    for (const { name } of actions) {
      throwIfAborted(job.signal);
      const aspect = aspects.find((candidate) => candidate.name === name);
      try {
        await bucket.guard(undefined, () => aspect?.apply(bucket, wanted) ?? create(bucket));
        // AWS keeps what it took, and may tell so a moment later only.
        const compatible = bucket.connection.settings.endpoint !== undefined;
        const left = compatible
          ? await bucket.guard(undefined, async () => aspect?.problem(bucket, wanted))
          : undefined;
        if (left === undefined) done += 1;
        else unknown.add(name);
      } catch (error) {
        if (aspect === undefined || !isUnknown(error)) throw error;
        unknown.add(name);
      }
    }
  }
  if (unknown.size > 0) job.report({ type: 'warning', message: unknownText([...unknown]) });
  const seconds = (performance.now() - started) / 1000;
  job.report({ type: 'finished', task, seconds, summary: `${done} settings` });
}

/** What an operator has to know of settings that a compatible store lacks. */
export const unknownText = (names: readonly string[]): string =>
  `This store does not keep the settings ${names.join(', ')}: see to what they protect by the store's own means.`;

async function create(bucket: Bucket): Promise<void> {
  const { region } = bucket.connection.settings;
  try {
    await bucket.send(({ client, sdk, options }) =>
      client.send(
        new sdk.CreateBucketCommand({
          Bucket: bucket.name,
          ObjectOwnership: 'BucketOwnerEnforced',
          // The first region of AWS is the one that must not be named.
          ...(region === 'us-east-1'
            ? {}
            : {
                CreateBucketConfiguration: {
                  LocationConstraint: region as BucketLocationConstraint,
                },
              }),
        }),
        options,
      ),
    );
  } catch (error) {
    const name = error instanceof Error ? error.name : '';
    if (name === 'BucketAlreadyOwnedByYou') return;
    if (name !== 'BucketAlreadyExists') throw error;
    throw failed('BUCKET_TAKEN', `The name ${bucket.name} belongs to somebody else’s bucket.`, {
      hint: 'Names are unique in all of AWS: choose another one with lake.s3.bucket or lake.s3.env.',
      cause: error,
    });
  }
}

/**
 * Whether the store keeps the conditions of writes, by which two runs on one batch are kept apart.
 * Writes a small object to the place that is left for probes, and removes it.
 */
export async function keepsConditions({ bucket, probeKey }: LakeBucket): Promise<boolean> {
  const { ConditionFailed, putBytes } = await import('./s3/upload.js');
  const { removeObjects } = await import('./s3/remove.js');
  const body = Buffer.from('Written by lake init to see whether conditions of writes are kept.\n');
  const refuses = async (condition: PutCondition): Promise<boolean> => {
    try {
      await putBytes(bucket, probeKey, body, condition);
      return false;
    } catch (error) {
      if (error instanceof ConditionFailed) return true;
      throw error;
    }
  };
  return bucket.guard(probeKey, async () => {
    try {
      await putBytes(bucket, probeKey, body, {});
      return (await refuses({ ifAbsent: true })) && (await refuses({ ifMatch: 'another' }));
    } finally {
      await removeObjects(bucket, await everyVersion(bucket, probeKey));
    }
  });
}

/** The object, and its versions where the bucket keeps them: nothing of a probe stays. */
async function everyVersion(bucket: Bucket, objectKey: string): Promise<Removal[]> {
  try {
    const { Versions = [], DeleteMarkers = [] } = await bucket.guard(objectKey, () =>
      bucket.send(({ client, sdk, options }) =>
        client.send(
          new sdk.ListObjectVersionsCommand({ Bucket: bucket.name, Prefix: objectKey }),
          options,
        ),
      ),
    );
    const versions = [...Versions, ...DeleteMarkers].flatMap(({ VersionId }) =>
      VersionId === undefined ? [] : [{ objectKey, versionId: VersionId }],
    );
    return versions.length === 0 ? [{ objectKey }] : versions;
  } catch (error) {
    if (!isUnknown(error)) throw error;
    return [{ objectKey }];
  }
}
