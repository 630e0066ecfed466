import type { PipelineRun } from '../pipeline/history.js';
import type { Cure } from './check.js';

/** Which runbook cures which error. The first that matches. */
const byError: readonly [RegExp, string][] = [
  [/^(TABLE|SCHEMA|COLUMN)_/, 'relation-not-found'],
  [/^DATABASE_/, 'database-connection'],
  [/^ENGINE_OUT_OF_MEMORY$/, 'join-out-of-memory'],
  [/^(FILE|MANIFEST)_CORRUPT$/, 'corrupt-batch'],
  [/^SILVER_INCOMPLETE$/, 'model-crash'],
  [/^GOLD_INCOMPLETE$/, 'gold-incomplete'],
  [/^(OBJECT|BATCH)_NOT_FOUND$/, 'parquet-not-found'],
  [/^LOAD_COUNT_MISMATCH$/, 'inconsistent-rows'],
  [/^(S3|BUCKET|LAKE|STORE|CREDENTIALS|ACCESS|PERMISSION)_/, 's3-errors'],
  [/^DISK_FULL$/, 'purge-batches'],
];

/** Those that work on one batch; the others look at the system. */
const ofBatch = new Set([
  'silver-missing',
  'gold-incomplete',
  'parquet-not-found',
  'corrupt-batch',
  'model-crash',
  'join-out-of-memory',
  'reject-rate',
]);

/** The cure of an error by its code; undefined where no runbook is known. */
export function cureOfError(code: string | null, batchId?: string): Cure | undefined {
  const id = byError.find(([pattern]) => pattern.test(code ?? ''))?.[1];
  return id === undefined
    ? undefined
    : { id, input: batchId !== undefined && ofBatch.has(id) ? { batchId } : {} };
}

/** By the error; else by how far the run came. */
export function cureOfRun({ errorCode, batchId, stages }: PipelineRun): Cure {
  const done = stages.map(({ stage }) => stage);
  const next = done.includes('transform')
    ? 'gold-incomplete'
    : done.includes('extract')
      ? 'silver-missing'
      : 'parquet-not-found';
  return cureOfError(errorCode, batchId) ?? { id: next, input: { batchId } };
}
