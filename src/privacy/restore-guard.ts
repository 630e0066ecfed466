import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.js';
import { withClient } from '../database/client.js';
import type { DatabaseTarget } from '../database/target.js';
import { describeParquet } from '../engine/parquet.js';
import { type Engine, openEngine } from '../engine/session.js';
import type { Lake } from '../lake/lake.js';
import { manifestKey } from '../lake/layout.js';
import type { Manifest } from '../lake/manifest.js';
import type { DraftTable } from '../lake/publish.js';
import { parseManifest } from '../lake/published.js';
import type { LayerRestore, RestorePlan } from '../lake/restore.js';
import { refused } from '../system/errors.js';
import { derivePrivacyKeys } from './keys.js';
import { disposeAll, fetchUnits, type LakeUnit, type UnitCopy } from './lake-units.js';
import { type PrivacyModel, readModel } from './model.js';
import { readSuppression, requireKey, type SuppressionList } from './suppression.js';
import { suppressTables } from './suppressor.js';

export interface RestoreGuard {
  lake: Lake;
  config: Config;
  pseudonymKey: () => Promise<Uint8Array>;
  /** Asked only where bronze comes back: what its columns hold, the catalog knows. */
  database: () => Promise<DatabaseTarget>;
  scratch: string;
  signal: AbortSignal;
}

/**
 * Refuses a restore from old versions that would bring back somebody who was erased: versions that
 * an object lock kept, or that came from elsewhere. Reads every file of the publications that would
 * become the present ones. Call it under the lease of the batch.
 *
 * @throws RESTORE_RETURNS_ERASED, RESTORE_UNCHECKED, SUPPRESSION_KEY_MISSING (exit 3)
 */
export async function requireNobodyReturns(work: RestoreGuard, plan: RestorePlan): Promise<void> {
  const list = await readSuppression(work.lake);
  const coming = plan.layers.filter(({ objects }) => objects.length > 0);
  if (list.tombstones.length === 0 || coming.length === 0) return;
  const scratch = await mkdtemp(join(work.scratch, 'restore-'));
  const { memoryLimit, threads } = work.config.pipeline;
  const engine = await openEngine({ memoryLimit, threads, scratch, signal: work.signal });
  try {
    for (const layer of coming) {
      const rows = await returningRows(work, engine, scratch, { list, plan, layer });
      if (rows === 0) continue;
      throw refused(
        'RESTORE_RETURNS_ERASED',
        `${layer.layer} of batch ${plan.batchId}, as it was on ${layer.publishedAt}, holds ${rows} rows of people who were erased since. Nothing was brought back.`,
        {
          hint: `Make the batch again, without them: reviewops pipeline run --batch-id ${plan.batchId}`,
        },
      );
    }
  } finally {
    await engine.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

async function returningRows(
  work: RestoreGuard,
  engine: Engine,
  scratch: string,
  restore: { list: SuppressionList; plan: RestorePlan; layer: LayerRestore },
): Promise<number> {
  const { layer, plan, list } = restore;
  const keys = derivePrivacyKeys(await work.pseudonymKey());
  const tombstones = requireKey(list, keys);
  const manifest = await manifestOf(work.lake, plan.batchId, layer);
  const made = manifest?.settings.pseudonymKeyId;
  const foreign = made !== undefined && !keys.id.endsWith(String(made));
  if (manifest === undefined || (layer.layer !== 'bronze' && foreign)) {
    throw refused(
      'RESTORE_UNCHECKED',
      `Whether ${layer.layer} of batch ${plan.batchId} holds people who were erased cannot be told: ${manifest === undefined ? 'its manifest cannot be read' : 'its pseudonyms were made with another key'}.`,
      { hint: `Make the batch again: reviewops pipeline run --batch-id ${plan.batchId}` },
    );
  }
  const copies: UnitCopy[] = [];
  try {
    const tables: DraftTable[] = [];
    for (const { name, columns, files } of manifest.tables) {
      const units = files.map(({ key, bytes }): LakeUnit => {
        const back = layer.objects.find((object) => object.key === key);
        return { key, bytes, etag: undefined, versionId: back?.versionId, present: !back };
      });
      const own = await fetchUnits(
        work.lake,
        units,
        join(scratch, layer.layer, `${tables.length}`),
      );
      copies.push(...own);
      const described = own.map(async ({ path }) => ({
        path,
        rows: (await describeParquet(engine, path)).rows,
        ranges: {},
      }));
      tables.push({ name, columns, files: await Promise.all(described) });
    }
    const model = await modelFor(work, layer);
    await mkdir(scratch, { recursive: true });
    const { config } = work;
    const suppress = { engine, config, keys, model, scratch };
    return (await suppressTables(suppress, layer.layer, tables, tombstones)).dropped;
  } finally {
    await disposeAll(copies);
  }
}

async function manifestOf(
  lake: Lake,
  batchId: string,
  { layer, objects }: LayerRestore,
): Promise<Manifest | undefined> {
  const key = manifestKey(layer, batchId);
  const back = objects.find((object) => object.key === key);
  const body =
    back === undefined ? await lake.read(key) : await lake.versions?.read(key, back.versionId);
  return body === undefined ? undefined : parseManifest(body);
}

async function modelFor(
  { config, database, signal }: RestoreGuard,
  { layer }: LayerRestore,
): Promise<PrivacyModel> {
  if (layer !== 'bronze') return { tables: [], unclassified: [] };
  return withClient(
    await database(),
    { purpose: 'restore', settings: config.database, signal, readOnly: true },
    (client) => readModel(client, config),
  );
}
