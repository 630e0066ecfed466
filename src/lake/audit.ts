import { isOperatorError, type OperatorError } from '../system/errors.js';
import { bucketExists, type LakeBucket } from './buckets.js';
import type { Aspect } from './s3/aspect.js';
import { aspects } from './s3/aspects.js';

export interface AuditCheck {
  bucket: string;
  check: string;
  /** `unknown` when the credential may not look, which is not the same as ok. */
  state: 'ok' | 'finding' | 'unknown';
  problem: string | null;
  fix: string | null;
}

type Outcome = Pick<AuditCheck, 'state' | 'problem' | 'fix'>;

/** Compares the settings of the buckets with what a lake needs. Changes nothing. */
export async function auditBuckets(buckets: readonly LakeBucket[]): Promise<AuditCheck[]> {
  const checks: AuditCheck[] = [];
  for (const entry of buckets) {
    const { name } = entry.bucket;
    const there = await unlessHidden(() => auditPresence(entry));
    if (there !== undefined) {
      checks.push({ bucket: name, check: 'bucket', ...there });
      continue;
    }
    for (const aspect of aspects) {
      const outcome = await unlessHidden(() => auditAspect(entry, aspect));
      checks.push({ bucket: name, check: aspect.name, ...(outcome ?? ok) });
    }
  }
  return checks;
}

const ok: Outcome = { state: 'ok', problem: null, fix: null };

/** Undefined when the bucket is there. */
async function auditPresence(bucket: LakeBucket): Promise<Outcome | undefined> {
  if (await bucketExists(bucket)) return undefined;
  return {
    state: 'finding',
    problem: 'the bucket does not exist',
    fix: 'Run `reviewops lake init`.',
  };
}

async function auditAspect(
  { bucket, wanted }: LakeBucket,
  { action, problem, impossible }: Aspect,
): Promise<Outcome | undefined> {
  const obstacle = impossible?.(wanted);
  if (obstacle !== undefined) return { state: 'finding', ...obstacle };
  const found = await bucket.guard(undefined, () => problem(bucket, wanted));
  const fix = `Run \`reviewops lake init\`: it will ${action}.`;
  return found === undefined ? undefined : { state: 'finding', problem: found, fix };
}

/** What may not be looked at, or what the store does not know, is unknown. */
async function unlessHidden(
  look: () => Promise<Outcome | undefined>,
): Promise<Outcome | undefined> {
  try {
    return await look();
  } catch (error) {
    if (!isOperatorError(error)) throw error;
    const fix = cures[error.code];
    if (fix === undefined) throw error;
    return { state: 'unknown', problem: error.message, fix: fix(error) };
  }
}

const cures: Partial<Record<string, (error: OperatorError) => string>> = {
  LAKE_ACCESS_DENIED: ({ hint = '' }) => `Ask with the rights of role admin. ${hint}`.trim(),
  LAKE_REFUSED: () => 'The store does not know this setting: see to it by its own means.',
};
