import { isOperatorError } from '../system/errors.js';
import { bucketExists, type LakeBucket } from './buckets.js';
import { aspects } from './s3/aspects.js';

export interface AuditCheck {
  bucket: string;
  check: string;
  /** `unknown` when the credential may not look, which is not the same as ok. */
  state: 'ok' | 'finding' | 'unknown';
  problem: string | null;
  fix: string | null;
}

/** Compares the settings of the buckets with what a lake needs. Changes nothing. */
export async function auditBuckets(buckets: readonly LakeBucket[]): Promise<AuditCheck[]> {
  const checks: AuditCheck[] = [];
  for (const { bucket, wanted } of buckets) {
    const add = (check: string, state: AuditCheck['state'], problem: string | null, fix: string) =>
      checks.push({
        bucket: bucket.name,
        check,
        state,
        problem,
        fix: state === 'ok' ? null : fix,
      });
    const present = await bucketExists(bucket);
    if (!present) {
      add('bucket', 'finding', 'the bucket does not exist', 'Run `reviewops lake init`.');
      continue;
    }
    for (const { name, action, problem, impossible } of aspects) {
      const obstacle = impossible?.(wanted);
      if (obstacle !== undefined) {
        add(name, 'finding', obstacle.problem, obstacle.fix);
        continue;
      }
      try {
        const found = await bucket.guard(undefined, () => problem(bucket, wanted));
        const state = found === undefined ? 'ok' : 'finding';
        add(name, state, found ?? null, `Run \`reviewops lake init\`: it will ${action}.`);
      } catch (error) {
        if (!isOperatorError(error)) throw error;
        if (!['LAKE_ACCESS_DENIED', 'LAKE_REFUSED'].includes(error.code)) throw error;
        add(name, 'unknown', error.message, 'Ask with the rights of `lake policy --role admin`.');
      }
    }
  }
  return checks;
}
