import { parquetSource } from '../engine/parquet.js';
import type { Engine } from '../engine/session.js';
import type { BatchDetails } from '../lake/batches.js';
import type { Lake } from '../lake/lake.js';
import type { ManifestTable } from '../lake/manifest.js';
import { fetchLayerFiles } from '../pipeline/layer-files.js';

/** How gold compares with the silver it was made from. */
export interface GoldCounts {
  silverRows: number;
  goldRows: number;
  /** Rows of gold whose score is null, not a number, or outside 0 to 100. */
  withoutScore: number;
}

export const tableOf = (
  batch: Pick<BatchDetails, 'manifests'>,
  layer: 'bronze' | 'silver' | 'gold',
  name: string,
): ManifestTable | undefined =>
  batch.manifests
    .find((manifest) => manifest.layer === layer)
    ?.tables.find((table) => table.name === name);

/** Counts gold against silver; reads the column of the scores and nothing else. */
export async function countGold(
  lake: Lake,
  batch: BatchDetails,
  engine: Engine,
  scratch: string,
): Promise<GoldCounts> {
  const silver = tableOf(batch, 'silver', 'review');
  const facts = tableOf(batch, 'gold', 'fact_reviews');
  const manifest = batch.manifests.find(({ layer }) => layer === 'gold');
  const counts = { silverRows: silver?.rows ?? 0, goldRows: facts?.rows ?? 0, withoutScore: 0 };
  if (facts === undefined || manifest === undefined) return counts;
  if (!facts.columns.some(({ name }) => name === 'score')) {
    return { ...counts, withoutScore: facts.rows };
  }
  const files = await fetchLayerFiles(lake, manifest, scratch, ['fact_reviews']);
  try {
    const [row] = await engine.rows<{ bad: number }>(
      `SELECT count(*) AS bad FROM ${parquetSource(files.of(facts))}
       WHERE score IS NULL OR isnan(CAST(score AS DOUBLE)) OR score < 0 OR score > 100.000001`,
    );
    return { ...counts, withoutScore: row?.bad ?? 0 };
  } finally {
    await files.dispose();
  }
}

/** What is wrong with gold, in words; undefined when it is as complete as silver. */
export function goldProblem(counts: GoldCounts): string | undefined {
  const { silverRows, goldRows, withoutScore } = counts;
  if (goldRows !== silverRows) return `gold has ${goldRows} rows, silver ${silverRows}`;
  if (withoutScore > 0) return `${withoutScore} of ${goldRows} rows have no valid score`;
  return undefined;
}
