import { createHash } from 'node:crypto';
import { quoteIdentifier, quoteTable } from '../../database/identifiers.js';
import type { BatchDetails } from '../../lake/batches.js';
import type { Lake } from '../../lake/lake.js';
import type { ManifestTable } from '../../lake/manifest.js';
import { formatBytes, formatCount } from '../../system/duration.js';
import { type Check, critical, ok, several, skipped, warning } from '../check.js';

/** Whether the content is what it was made as: not only there, and as many. */

/** What is read of the newest batch at each look, in bytes: more would make the watcher a load. */
const mostHashed = 32e6;

type StoredFile = ManifestTable['files'][number];

export const checksums: Check = {
  name: 'checksums',
  title: 'Hashes of the newest batch’s files',
  group: 'lake',
  needs: ['lake'],
  run: async ({ lake, signal }) => {
    const survey = await lake();
    const [newest] = await survey.recent();
    if (newest === undefined) return skipped('there is no finished batch yet');
    const { batchId } = newest;
    const files = presentFiles(newest);
    const chosen = withinBudget(files);
    if (chosen.length === 0) {
      return skipped(
        files.length === 0
          ? `no file of batch ${batchId} is as large as it should be`
          : `the files of batch ${batchId} are too large to be read at each look`,
        { evidence: { batchId, read: 0, files: files.length } },
      );
    }
    const damaged: string[] = [];
    for (const file of chosen) {
      signal.throwIfAborted();
      if ((await hashOf(survey.lake, file.key)) !== file.sha256) damaged.push(file.key);
    }
    const evidence = { batchId, read: chosen.length, files: files.length, damaged };
    const shared = { value: damaged.length, unit: 'count' as const, evidence };
    if (damaged.length > 0) {
      return critical(`other content than was written: ${several(damaged, 2)}`, {
        ...shared,
        runbook: { id: 'corrupt-batch', input: { batchId } },
      });
    }
    const bytes = chosen.reduce((sum, file) => sum + file.bytes, 0);
    return ok(
      `${chosen.length} of ${files.length} files of batch ${batchId} (${formatBytes(bytes)}) are as they were written`,
      shared,
    );
  },
};

/** Those that are there in their size; of the others the check of the manifests speaks. */
const presentFiles = ({ manifests, problems }: BatchDetails): StoredFile[] => {
  const bad = new Set(problems.map(({ key }) => key));
  return manifests
    .flatMap(({ tables }) => tables.flatMap(({ files }) => files))
    .filter(({ key }) => !bad.has(key));
};

/** The small ones first: as many files as can be. */
function withinBudget(files: readonly StoredFile[]): StoredFile[] {
  let left = mostHashed;
  return files
    .toSorted((a, b) => a.bytes - b.bytes)
    .filter(({ bytes }) => {
      left -= bytes;
      return left >= 0;
    });
}

async function hashOf(lake: Lake, key: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of await lake.openRead(key)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Pages up to which the tables are compared. */
const mostPages = 20_000;

export const orphans: Check = {
  name: 'orphan-rows',
  title: 'Served reviews that the source still has',
  group: 'serving',
  needs: ['database'],
  run: async ({ config, database }) => {
    const probe = await database();
    const { source, serving } = config;
    const { table, review_id: column } = source.entities.review;
    const served = quoteTable(serving.schema, serving.table);
    const reviews = quoteTable(source.schema, table);
    const { pages } = await probe.one<{ pages: number }>(
      `SELECT coalesce(sum(leaf.relpages), 0)::float8
              + (SELECT relpages FROM pg_class WHERE oid = $2::regclass) AS pages
       FROM pg_partition_tree($1::regclass) tree JOIN pg_class leaf ON leaf.oid = tree.relid`,
      [served, reviews],
    );
    if (pages > mostPages) return skipped('too large to be compared at each look');
    const { rows, first } = await probe.one<{ rows: string; first: string | null }>(
      `SELECT count(*) AS rows, min(review_id) AS first FROM ${served} AS served
       WHERE NOT EXISTS (SELECT FROM ${reviews} AS source
                         WHERE source.${quoteIdentifier(column)}::text = served.review_id)`,
    );
    const shared = {
      value: Number(rows),
      unit: 'count' as const,
      evidence: { rows: Number(rows) },
    };
    if (first === null) return ok('every served review is in the source', shared);
    return warning(
      `${formatCount(Number(rows))} served rows are of reviews that the source does not have`,
      { ...shared, runbook: { id: 'inconsistent-rows', input: {} } },
    );
  },
};

export const foreignKeys: Check = {
  name: 'foreign-keys',
  title: 'Foreign keys in place',
  group: 'database',
  needs: ['database'],
  run: async ({ config, database }) => {
    const [{ missingForeignKeys }, probe] = await Promise.all([
      import('../../database/foreign-keys.js'),
      database(),
    ]);
    const missing = await probe.lease((client) =>
      probe.target.endpoint === 'pooler'
        ? client.transaction(() => missingForeignKeys(client, config), 'READ ONLY')
        : missingForeignKeys(client, config),
    );
    const names = missing.map(({ table, references }) => `${table} to ${references}`);
    const shared = { value: names.length, unit: 'count' as const, evidence: { missing: names } };
    if (names.length === 0) return ok('all are there', shared);
    return warning(`gone with a table that was dropped: ${several(names)}`, {
      ...shared,
      runbook: { id: 'relation-not-found', input: {} },
    });
  },
};
