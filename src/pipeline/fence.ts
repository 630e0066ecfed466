import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type DatabaseClient, withClient } from '../database/client.js';
import { type Engine, openEngine } from '../engine/session.js';
import type { PublishedLayer } from '../lake/manifest.js';
import { type LayerDraft, publishLayer } from '../lake/publish.js';
import type { PrivacyModel } from '../privacy/model.js';
import { readSuppression, requireKey, type SuppressionList } from '../privacy/suppression.js';
import { fetchLayerFiles, type LayerFiles } from './layer-files.js';
import { rejectedByReason } from './rejects.js';
import type { StageContext } from './stage.js';

/**
 * Publishes a layer without the people who were erased: their rows are dropped from the draft, and
 * when somebody was erased while it was being published, it is filtered and published again before
 * the batch is let go. What was read before an erasure thus cannot bring anybody back after it.
 * `accounts` is what `SuppressWork` asks for gold.
 *
 * @throws SUPPRESSION_DAMAGED, SUPPRESSION_KEY_MISSING, and what `publishLayer` throws
 */
export async function publishFenced(
  context: StageContext,
  draft: LayerDraft,
  accounts?: string,
): Promise<PublishedLayer> {
  let list = await readSuppression(context.lake);
  let published = await publishLayer(
    context.lake,
    await suppressed(context, draft, list, accounts),
  );
  for (;;) {
    const now = await readSuppression(context.lake);
    if (now.epoch === list.epoch) return published;
    list = now;
    published = await publishAgain(context, draft, published, list, accounts);
  }
}

async function suppressed(
  context: StageContext,
  draft: LayerDraft,
  list: SuppressionList,
  accounts: string | undefined,
): Promise<LayerDraft> {
  if (list.tombstones.length === 0) return draft;
  const { derivePrivacyKeys } = await import('../privacy/keys.js');
  const { suppressTables } = await import('../privacy/suppressor.js');
  const keys = derivePrivacyKeys(context.pseudonymKey);
  const tombstones = requireKey(list, keys);
  const scratch = join(context.scratch, 'fence');
  await mkdir(scratch, { recursive: true });
  const { memoryLimit, threads } = context.config.pipeline;
  const { signal, config } = context;
  const engine = await openEngine({ memoryLimit, threads, scratch, signal });
  try {
    const model = await modelFor(context, draft.layer);
    const work = { engine, config, keys, model, scratch, accounts };
    const { tables, dropped } = await suppressTables(work, draft.layer, draft.tables, tombstones);
    const settings = { ...draft.settings, suppressionEpoch: list.epoch };
    if (dropped === 0) return { ...draft, settings };
    context.report({
      type: 'notice',
      message: `${dropped} rows of people who were erased were left out of ${draft.layer} of batch ${draft.batchId}.`,
    });
    context.log.info({ batchId: draft.batchId, layer: draft.layer, dropped }, 'suppressed');
    const rejected = await rejectedNow(engine, draft, tables);
    return { ...draft, tables, settings, rejected };
  } finally {
    await engine.close();
  }
}

/** Silver and gold have columns of our own; what bronze holds, the catalog knows. */
async function modelFor(context: StageContext, layer: string): Promise<PrivacyModel> {
  if (layer !== 'bronze') return { tables: [], unclassified: [] };
  const { readModel } = await import('../privacy/model.js');
  const { config, signal } = context;
  return withClient(
    await context.database(),
    { purpose: 'suppression', settings: config.database, signal, readOnly: true },
    (client) => readModel(client, config),
  );
}

async function rejectedNow(
  engine: Engine,
  draft: LayerDraft,
  tables: LayerDraft['tables'],
): Promise<LayerDraft['rejected']> {
  const table =
    draft.layer === 'silver' ? tables.find(({ name }) => name === 'rejected') : undefined;
  if (table === undefined) return draft.rejected;
  return rejectedByReason(engine, table);
}

/** The draft's files are the lake's by now: copies of those are filtered and published anew. */
async function publishAgain(
  context: StageContext,
  draft: LayerDraft,
  { manifest }: PublishedLayer,
  list: SuppressionList,
  accounts: string | undefined,
): Promise<PublishedLayer> {
  const scratch = join(context.scratch, 'fence-again');
  const files = await fetchLayerFiles(context.lake, manifest, scratch);
  try {
    const again = { ...draft, tables: await draftOf(manifest, files, scratch) };
    return await publishLayer(context.lake, await suppressed(context, again, list, accounts));
  } finally {
    await files.dispose();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Copies of the files as a draft. */
async function draftOf(
  manifest: PublishedLayer['manifest'],
  files: LayerFiles,
  scratch: string,
): Promise<LayerDraft['tables']> {
  const directory = join(scratch, 'again');
  await mkdir(directory, { recursive: true });
  const drafts: LayerDraft['tables'][number][] = [];
  for (const table of manifest.tables) {
    const copies = [];
    for (const [part, path] of files.of(table).entries()) {
      const copy = join(directory, `${drafts.length}-${part}-${process.hrtime.bigint()}.parquet`);
      await copyFile(path, copy);
      const { rows = 0, ranges = {} } = table.files[part] ?? {};
      copies.push({ path: copy, rows, ranges });
    }
    drafts.push({ name: table.name, columns: table.columns, files: copies });
  }
  return drafts;
}

/**
 * Leaves in the engine who of `review_owner` was erased, as `suppressed_owner`, with the time of the
 * account for reviews without one. Only for who holds the lock of loads: an erasure comes before the
 * look at the list or after the load.
 */
export async function suppressOwners(
  client: DatabaseClient,
  engine: Engine,
  context: StageContext,
): Promise<void> {
  await engine.run(
    `CREATE OR REPLACE TABLE suppressed_owner
       (customer_id VARCHAR, effective_at TIMESTAMP WITH TIME ZONE, since TIMESTAMP WITH TIME ZONE)`,
  );
  const list = await readSuppression(context.lake);
  if (list.tombstones.length === 0) return;
  const { derivePrivacyKeys } = await import('../privacy/keys.js');
  const { declareDigest, declareTombstones } = await import('../privacy/tombstone-table.js');
  const keys = derivePrivacyKeys(context.pseudonymKey);
  const tombstones = requireKey(list, keys);
  await declareDigest(engine, keys);
  await declareTombstones(engine, tombstones);
  await engine.run(
    `INSERT INTO suppressed_owner
     SELECT customer_id, max(effective_at), NULL FROM (SELECT DISTINCT customer_id FROM review_owner) AS owner
     JOIN tombstone ON kind IN ('customer', 'buyer') AND digest = privacy_digest(kind, customer_id)
     GROUP BY customer_id`,
  );
  const { accountsSince } = await import('../privacy/accounts.js');
  const ids = await engine.rows<{ id: string }>('SELECT customer_id AS id FROM suppressed_owner');
  for (const { id, since } of await accountsSince(
    client,
    context.config,
    ids.map((row) => row.id),
  )) {
    await engine.run(
      'UPDATE suppressed_owner SET since = CAST($1 AS TIMESTAMP WITH TIME ZONE) WHERE customer_id = $2',
      [since.toISOString(), id],
    );
  }
}
