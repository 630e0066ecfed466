import { createHash } from 'node:crypto';
import type { BucketLocationConstraint } from '@aws-sdk/client-s3';
import { failed, throwIfAborted } from '../system/errors.js';
import type { JobContext } from '../system/progress.js';
import { bucketExists, type LakeBucket } from './buckets.js';
import type { Layer } from './lake.js';
import { aspects } from './s3/aspects.js';
import type { Bucket } from './s3/bucket.js';

export interface BucketPlan {
  bucket: string;
  layers: Layer[];
  /** What will be done, in this order; empty when nothing is missing. */
  actions: { name: string; action: string; reason: string }[];
}

export interface ProvisionPlan {
  planHash: string;
  buckets: BucketPlan[];
}

/** What has to be done so that every bucket is there and set as it should be. Changes nothing. */
export async function planProvision(buckets: readonly LakeBucket[]): Promise<ProvisionPlan> {
  const plans: BucketPlan[] = [];
  for (const { bucket, layers, wanted } of buckets) {
    const plan: BucketPlan = { bucket: bucket.name, layers, actions: [] };
    plans.push(plan);
    const exists = await bucketExists(bucket);
    if (!exists) {
      const { region } = bucket.connection.settings;
      plan.actions.push({
        name: 'bucket',
        action: `create the bucket in ${region}`,
        reason: 'it does not exist',
      });
    }
    for (const { name, action, problem, impossible } of aspects) {
      if (impossible?.(wanted) !== undefined) continue;
      const reason = exists
        ? await bucket.guard(undefined, () => problem(bucket, wanted))
        : 'the bucket is new';
      const needless = !exists && name === 'encryption' && wanted.encryption === 'none';
      if (reason !== undefined && !needless) plan.actions.push({ name, action, reason });
    }
  }
  const planHash = createHash('sha256').update(JSON.stringify(plans)).digest('hex').slice(0, 16);
  return { planHash, buckets: plans };
}

export const actionCount = ({ buckets }: ProvisionPlan): number =>
  buckets.reduce((sum, { actions }) => sum + actions.length, 0);

/**
 * Carries out a plan. Each action states an outcome, so one that was carried out already, or that
 * is interrupted and run again, does no harm.
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
  for (const { bucket, wanted } of buckets) {
    const actions = plan.buckets.find((entry) => entry.bucket === bucket.name)?.actions ?? [];
    for (const { name } of actions) {
      throwIfAborted(job.signal);
      const aspect = aspects.find((candidate) => candidate.name === name);
      await bucket.guard(undefined, () => aspect?.apply(bucket, wanted) ?? create(bucket));
      done += 1;
    }
  }
  const seconds = (performance.now() - started) / 1000;
  job.report({ type: 'finished', task, seconds, summary: `${done} settings` });
}

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
 * Writes a small object under `key` and removes it.
 */
export async function keepsConditions(bucket: Bucket, objectKey: string): Promise<boolean> {
  const { ConditionFailed, putBytes } = await import('./s3/upload.js');
  const { removeObjects } = await import('./s3/remove.js');
  return bucket.guard(objectKey, async () => {
    const body = Buffer.from(
      'Written by lake init to see whether conditions of writes are kept.\n',
    );
    try {
      await putBytes(bucket, objectKey, body, {});
      await putBytes(bucket, objectKey, body, { ifAbsent: true });
      return false;
    } catch (error) {
      if (error instanceof ConditionFailed) return true;
      throw error;
    } finally {
      await removeObjects(bucket, [{ objectKey }]);
    }
  });
}
