import { parquetSource } from '../engine/parquet.js';
import type { Engine } from '../engine/session.js';
import type { DraftTable } from '../lake/publish.js';

/** How many rows of the table `rejected` there are by reason, in the order of the reasons. */
export async function rejectedByReason(
  engine: Engine,
  { files }: Pick<DraftTable, 'files'>,
): Promise<Record<string, number>> {
  const counts = await engine.rows<{ reason: string; rows: number }>(
    `SELECT reason, count(*) AS rows FROM ${parquetSource(files.map(({ path }) => path))} GROUP BY reason ORDER BY reason`,
  );
  return Object.fromEntries(counts.map(({ reason, rows }) => [reason, rows]));
}
