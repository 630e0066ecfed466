import { parquetSource } from '../engine/parquet.js';
import type { Engine } from '../engine/session.js';
import type { BatchDetails } from '../lake/batches.js';
import type { Lake } from '../lake/lake.js';
import { fetchLayerFiles } from '../pipeline/layer-files.js';
import { tableOf } from './gold.js';

/** What of a batch's reviews was rejected, and by which rule. */
export interface RejectRate {
  batchId: string;
  /** Reviews that were judged. */
  judged: number;
  rejected: number;
  /** `rejected / judged`, 0 to 1; 0 when there was nothing to judge. */
  rate: number;
  byRule: Record<string, number>;
}

/** Undefined when the batch has no silver. */
export function rejectRate(batch: BatchDetails, reviewTable: string): RejectRate | undefined {
  const silver = batch.manifests.find(({ layer }) => layer === 'silver');
  if (silver === undefined) return undefined;
  const rejected = Object.values(silver.rejected).reduce((sum, rows) => sum + rows, 0);
  // A review of two products has two rows in silver: bronze counts reviews.
  const judged =
    tableOf(batch, 'bronze', reviewTable)?.rows ??
    (tableOf(batch, 'silver', 'review')?.rows ?? 0) + rejected;
  return {
    batchId: batch.batchId,
    judged,
    rejected,
    rate: judged === 0 ? 0 : rejected / judged,
    byRule: silver.rejected,
  };
}

export interface RuleChange {
  rule: string;
  rows: number;
  /** Of all reviews that were judged, 0 to 1. */
  share: number;
  /** The mean share in the batches before; null without any. */
  before: number | null;
}

/** Each rule's share against the batches before, the one that grew most first. */
export function ruleChanges(now: RejectRate, before: readonly RejectRate[]): RuleChange[] {
  const share = ({ byRule, judged }: RejectRate, rule: string): number =>
    judged === 0 ? 0 : (byRule[rule] ?? 0) / judged;
  return Object.entries(now.byRule)
    .filter(([, rows]) => rows > 0)
    .map(([rule, rows]) => ({
      rule,
      rows,
      share: share(now, rule),
      before:
        before.length === 0
          ? null
          : before.reduce((sum, batch) => sum + share(batch, rule), 0) / before.length,
    }))
    .sort((a, b) => b.share - (b.before ?? 0) - (a.share - (a.before ?? 0)));
}

/** A few review ids of each rule; no texts, no customers. Rows without an id count as null. */
export async function rejectExamples(
  lake: Lake,
  batch: BatchDetails,
  engine: Engine,
  scratch: string,
  perRule: number,
): Promise<Record<string, (string | null)[]>> {
  const manifest = batch.manifests.find(({ layer }) => layer === 'silver');
  const table = tableOf(batch, 'silver', 'rejected');
  if (manifest === undefined || table === undefined) return {};
  const files = await fetchLayerFiles(lake, manifest, scratch, ['rejected']);
  try {
    const rows = await engine.rows<{ reason: string; review_id: string | null }>(
      `SELECT reason, review_id FROM (
         SELECT reason, review_id, row_number() OVER (PARTITION BY reason ORDER BY review_id) AS place
         FROM ${parquetSource(files.of(table))}) AS numbered
       WHERE place <= ${Math.trunc(perRule)} ORDER BY reason, place`,
    );
    const examples: Record<string, (string | null)[]> = {};
    for (const { reason, review_id } of rows) {
      const list = examples[reason] ?? [];
      examples[reason] = list;
      list.push(review_id);
    }
    return examples;
  } finally {
    await files.dispose();
  }
}
