import type { Lake } from '../lake/lake.js';
import { batchLeaseName, batchPrefix, checkBatchId, formatBatchId } from '../lake/layout.js';
import { acquireLease, type Lease } from '../lake/lease.js';
import { isOperatorError } from '../system/errors.js';
import { describeOwner, thisProcess } from '../system/owner.js';
import type { JobContext } from '../system/progress.js';

export interface ClaimedBatch {
  batchId: string;
  lease: Lease;
}

/**
 * Claims the batch for this process; without an id, a new one named after the present second.
 *
 * @throws LEASE_HELD when another process works on the batch; BATCH_ID_INVALID
 */
export async function claimBatch(
  lake: Lake,
  batchId: string | undefined,
  job: JobContext,
): Promise<ClaimedBatch> {
  if (batchId !== undefined) {
    return { batchId, lease: await claim(lake, checkBatchId(batchId), job) };
  }
  const now = job.now();
  for (let attempt = 0; ; attempt += 1) {
    // Several runs may start in one second: the first takes the plain id, the others a suffix.
    const candidate = formatBatchId(now, attempt === 0 ? '' : attempt.toString(36));
    const lease = await claim(lake, candidate, job).catch((error: unknown) => {
      if (isOperatorError(error) && error.code === 'LEASE_HELD') return undefined;
      throw error;
    });
    if (lease === undefined) continue;
    if (!(await hasObjects(lake, candidate))) return { batchId: candidate, lease };
    await lease.release();
  }
}

const claim = (lake: Lake, batchId: string, job: JobContext): Promise<Lease> =>
  acquireLease(lake, batchLeaseName(batchId), {
    owner: thisProcess(),
    now: job.now,
    signal: job.signal,
    onTakeover: (previous) =>
      job.report({
        type: 'notice',
        message: `Took batch ${batchId} over from ${describeOwner(previous)}, which is gone.`,
      }),
  });

async function hasObjects(lake: Lake, batchId: string): Promise<boolean> {
  for await (const _object of lake.list(batchPrefix('bronze', batchId))) return true;
  return false;
}
