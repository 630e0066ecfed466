import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseClient } from '../database/client.js';
import { conditionFor } from './database-finder.js';
import { type DiscoveryWork, inDatabase } from './erasure-plan.js';
import { readParquetTexts } from './lake-traces.js';
import { disposeAll, fetchUnits, listUnits, unitName } from './lake-units.js';
import type { LakeWork } from './lake-work.js';
import { type ModelTable, type PrivacyModel, readModel } from './model.js';
import type { Needles } from './needles.js';
import { type TraceCounts, tableTraces } from './table-traces.js';
import { scanText, textSearch } from './text-files.js';
import { emptyVerification, type Verification } from './verification.js';
import { isOwnDocument, type Wanted, wantedOf } from './wanted.js';

/**
 * Reads everything again, in another way than the search did: every text of every table and file,
 * old versions included, without statistics of files that would let parts be skipped.
 */
export async function verifyErasure(work: DiscoveryWork, needles: Needles): Promise<Verification> {
  const wanted = wantedOf(needles, work.pseudonymKey);
  const result = emptyVerification(wanted.limits);
  const model = await inDatabase(work, 'gdpr verify', async (client) => {
    const found = await readModel(client, work.config);
    const { tables } = found;
    for (const table of tables) {
      const kept = table.rows === 'keep' ? conditionFor(table, needles) : undefined;
      const counts = await tableTraces(client, table, wanted, kept);
      if (counts === undefined) continue;
      result.tablesRead += 1;
      note(result, table.id, counts);
    }
    await readStatistics(client, tables, wanted, result);
    return found;
  });
  await verifyLake(work, model, needles, wanted, result);
  return result;
}

function note(result: Verification, place: string, { found, mentioned }: TraceCounts): void {
  if (found > 0) result.found.push({ place, rows: found });
  if (mentioned > 0) result.mentioned.push({ place, rows: mentioned });
}

/** The planner's statistics show values until they are gathered anew. */
async function readStatistics(
  client: DatabaseClient,
  tables: readonly ModelTable[],
  { exact }: Wanted,
  result: Verification,
): Promise<void> {
  const numbersOfOthers = tables.flatMap(({ id, columns }) =>
    columns.filter((column) => column.class === 'none').map(({ name }) => `${id}.${name}`),
  );
  const rows = await client.query<{ place: string }>(
    `SELECT s.schemaname || '.' || s.tablename || '.' || s.attname AS place
     FROM pg_stats s
     JOIN pg_namespace n ON n.nspname = s.schemaname
     JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
     JOIN pg_class root ON root.oid = coalesce(pg_partition_root(c.oid)::oid, c.oid)
     JOIN pg_namespace of ON of.oid = root.relnamespace
     WHERE s.schemaname NOT IN ('pg_catalog', 'information_schema')
       AND of.nspname || '.' || root.relname || '.' || s.attname <> ALL ($2::text[])
       AND EXISTS (
         SELECT FROM unnest(coalesce(s.most_common_vals::text::text[], '{}') || coalesce(s.histogram_bounds::text::text[], '{}')) AS x (value)
         WHERE lower(value) = ANY ($1::text[]))`,
    [exact, numbersOfOthers],
  );
  for (const { place } of rows) note(result, `pg_stats of ${place}`, { found: 1, mentioned: 0 });
}

/** The part of the lake; see `verifyErasure`. */
export async function verifyLake(
  work: Omit<LakeWork, 'model'>,
  model: PrivacyModel,
  needles: Needles,
  wanted: Wanted,
  result: Verification,
): Promise<void> {
  result.filesRead += await readParquetTexts(work, {
    wanted,
    found: (unit, counts) => note(result, unitName(unit), counts),
    unread: (unit, why) => result.unread.push({ place: unitName(unit), why }),
  });
  const scratch = await mkdtemp(join(work.scratch, 'verify-'));
  try {
    for (const unit of await listUnits(work.lake)) {
      const search = textSearch(unit.key, { model, config: work.config, needles, wanted });
      if (search === undefined || isOwnDocument(unit.key)) continue;
      const copies = await fetchUnits(work.lake, [unit], scratch);
      const { hits, mentions, problem } = await scanText(copies[0]?.path ?? '', unit.key, search);
      await disposeAll(copies);
      result.filesRead += 1;
      note(result, unitName(unit), { found: hits, mentioned: mentions });
      if (problem !== undefined) result.unread.push({ place: unitName(unit), why: problem });
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
