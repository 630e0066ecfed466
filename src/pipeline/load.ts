import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type DatabaseClient, withClient } from '../database/client.js';
import { copyIn } from '../database/copy.js';
import { quoteTable } from '../database/identifiers.js';
import { requireSchema } from '../database/migrate.js';
import {
  buildPartitionIndexes,
  createFuturePartition,
  replacePartitions,
} from '../database/partition.js';
import { type CopyPiece, copyHeader, copyTrailer } from '../engine/copy-binary.js';
import { parquetSource } from '../engine/parquet.js';
import type { Engine } from '../engine/session.js';
import type { ManifestTable, PublishedLayer } from '../lake/manifest.js';
import { requireLayer } from '../lake/publish.js';
import { loadLock } from '../privacy/database-eraser.js';
import { failed } from '../system/errors.js';
import { batchColumns, factColumns, factType } from './fact-columns.js';
import { suppressOwners } from './fence.js';
import { fetchCheckedFiles, filesInPieces, rowsInMemory } from './layer-files.js';
import { countMismatch, pickOwners, readOwners } from './owners.js';
import { joinAsWritten } from './sql.js';
import type { StageContext, StageResult } from './stage.js';
import { openStageEngine } from './stage-engine.js';

export interface LoadOptions {
  /** Leave the table alone when it already holds a batch of a later snapshot. */
  unlessNewer: boolean;
  /** Rows at a time, unless a single file holds more; as many as memory allows by default. */
  pieceRows?: number;
}

/**
 * Columns that queries search and sort by. The others are left out: statistics of long texts cost
 * more time than the copy of a small batch, and keep people's words in `pg_stats`.
 */
const analyzedColumns = ['review_id', 'product_id', 'customer_id', 'category', 'rating', 'score'];

/**
 * 300 rows are sampled for each: enough for a table that is asked by the ids its indexes begin with.
 * The server's default of 100 reads a third of the pages of a million reviews.
 */
const statisticsTarget = 20;

/**
 * Gold to the serving table, in one transaction: rows go to a table of their own, are counted, get
 * their indexes, and take the place of the previous batch; readers never see half.
 * The customer of each review is looked up in the source, since the lake holds only pseudonyms;
 * a review that the source no longer has is not published, and counts as rejected.
 *
 * @throws LAYER_NOT_FOUND, SCHEMA_MISSING, LOAD_COUNT_MISMATCH, DATABASE_UNREACHABLE and what
 * engine and lake throw
 */
export async function load(
  context: StageContext,
  batchId: string,
  options: LoadOptions,
): Promise<StageResult> {
  const started = performance.now();
  const gold = await requireLayer(context.lake, 'gold', batchId);
  const facts = factTable(gold);
  const target = await context.database();
  const scratch = join(context.scratch, 'load');
  await mkdir(scratch, { recursive: true });
  const files = await fetchCheckedFiles(context, gold.manifest, scratch);
  const engine = await openStageEngine(context, scratch);
  try {
    return await withClient(
      target,
      { purpose: 'load', settings: context.config.database, signal: context.signal },
      async (client) => {
        await requireSchema(client, context.config);
        context.report({ type: 'started', task: 'load', total: facts.rows, unit: 'rows' });
        await readOwners(client, engine, context, scratch);
        const sent = await client.transaction(() =>
          replaceFacts(
            { client, engine, context, scratch },
            gold,
            filesInPieces(facts, files, options.pieceRows ?? rowsInMemory(context.config)),
            options,
          ),
        );
        if (sent.rows < facts.rows && !sent.superseded) {
          context.report({
            type: 'warning',
            message: `${facts.rows - sent.rows} rows of batch ${batchId} belong to reviews that the source no longer has; they were not published.`,
          });
        }
        context.log.info({ batchId, ...sent }, 'load finished');
        return {
          stage: 'load' as const,
          seconds: (performance.now() - started) / 1000,
          rowsIn: facts.rows,
          rowsOut: sent.rows,
          rejected: sent.superseded ? 0 : facts.rows - sent.rows,
          bytes: sent.bytes,
          ...(sent.superseded ? { superseded: true as const } : {}),
        };
      },
    );
  } finally {
    await engine.close();
    await files.dispose();
    await rm(scratch, { recursive: true, force: true });
  }
}

function factTable(gold: PublishedLayer): ManifestTable {
  const table = gold.manifest.tables.find(({ name }) => name === 'fact_reviews');
  if (table !== undefined) return table;
  const { batchId } = gold.manifest;
  throw failed('GOLD_INCOMPLETE', `Gold of batch ${batchId} lacks the table fact_reviews.`, {
    hint: `Run \`reviewops pipeline run --batch-id ${batchId} --from model\`.`,
  });
}

interface LoadWork {
  client: DatabaseClient;
  engine: Engine;
  context: StageContext;
  scratch: string;
}

interface Sent {
  rows: number;
  bytes: number;
  superseded: boolean;
}

async function replaceFacts(
  work: LoadWork,
  gold: PublishedLayer,
  pieces: string[][],
  options: LoadOptions,
): Promise<Sent> {
  const { client, context, engine } = work;
  const { batchId, source } = gold.manifest;
  const parent = context.config.serving;
  const key = { column: 'batch_id', value: batchId };
  // First of all, while this transaction holds no lock on the table that another load is to swap.
  await waitForTurn(client, context);
  await suppressOwners(client, engine, context);
  if (options.unlessNewer && (await isNewerLoaded(client, source.snapshotAt))) {
    context.report({
      type: 'warning',
      message: `The serving table already holds a batch of a later snapshot; batch ${batchId} was not loaded over it.`,
    });
    return { rows: 0, bytes: 0, superseded: true };
  }
  // Sorts for the indexes and the summary stay in memory up to here; they belong to this transaction.
  await client.execute("SET LOCAL maintenance_work_mem = '256MB'; SET LOCAL work_mem = '64MB'");
  await client.execute(`SET LOCAL default_statistics_target = ${statisticsTarget}`);
  const partition = `${parent.table}_${batchId}_${randomBytes(4).toString('hex')}`;
  await createFuturePartition(
    client,
    parent,
    partition,
    key,
    await batchValues(work, pieces.flat()),
  );
  const sent = await sendFiles(work, quoteTable(parent.schema, partition), pieces);
  await buildPartitionIndexes(client, parent, partition);
  await replacePartitions(client, parent, partition, key);
  await client.execute(
    `ANALYZE ${quoteTable(parent.schema, parent.table)} (${analyzedColumns.join(', ')})`,
  );
  await refreshViews(client, context);
  await client.execute('DELETE FROM maintenance.fact_loads');
  await client.execute(
    `INSERT INTO maintenance.fact_loads (batch_id, loaded_at, rows, snapshot_at, settings)
     VALUES ($1, $2, $3, $4, $5)`,
    [batchId, context.now(), sent.rows, source.snapshotAt, JSON.stringify(gold.manifest.settings)],
  );
  return { ...sent, superseded: false };
}

/** The values that are the same in all rows of the batch; none when it has no rows. */
async function batchValues({ engine }: LoadWork, paths: string[]): Promise<Record<string, string>> {
  const columns = batchColumns.map((name) => `CAST(${name} AS VARCHAR) AS ${name}`);
  const [values = {}, ...others] = await engine.rows<Record<string, string>>(
    `SELECT DISTINCT ${columns.join(', ')} FROM ${parquetSource(paths)}`,
  );
  if (others.length === 0) return values;
  throw failed('GOLD_MIXED', `The gold files hold rows of ${others.length + 1} different runs.`, {
    hint: 'Run the model stage of this batch again.',
  });
}

/** Bytes of one COPY: long tables are sent by several, so that none runs into a statement's limit. */
const copyBytes = 256 * 1024 * 1024;

/** Streams the gold files, joined with their owners, into the table. */
async function sendFiles(
  work: LoadWork,
  table: string,
  pieces: string[][],
): Promise<Omit<Sent, 'superseded'>> {
  const { client, context } = work;
  const rows = factRows(work, pieces)[Symbol.asyncIterator]();
  let made = 0;
  let taken = 0;
  let bytes = 0;
  let done = false;
  const part = async function* () {
    yield copyHeader;
    for (let partBytes = 0; partBytes < copyBytes; ) {
      const next = await rows.next();
      if (next.done === true) {
        done = true;
        break;
      }
      yield next.value.bytes;
      partBytes += next.value.bytes.length;
      made += next.value.rows;
      context.report({ type: 'progress', task: 'load', done: made, unit: 'rows' });
    }
    yield copyTrailer;
  };
  const sql = `COPY ${table} (${factColumns.join(', ')}) FROM STDIN (FORMAT binary, FREEZE)`;
  try {
    while (!done) {
      const copied = await copyIn(client, sql, part());
      taken += copied.rows;
      bytes += copied.bytes;
    }
  } finally {
    await rows.return?.(undefined);
  }
  if (taken === made) return { rows: taken, bytes };
  throw countMismatch(`${made} rows were sent to the database`, taken);
}

/**
 * The rows to publish, a piece of the gold files after the other. The owners of each are picked out
 * first: joined with all of them, rows would go to disk with their texts for want of memory.
 */
async function* factRows(
  { engine, context }: LoadWork,
  pieces: string[][],
): AsyncIterable<CopyPiece> {
  const fields = factColumns.map((name) => ({
    expression: name === 'customer_id' ? 'owner.customer_id' : `fact.${name}`,
    type: factType(name),
  }));
  await joinAsWritten(engine);
  for (const paths of pieces) {
    const files = parquetSource(paths);
    await pickOwners(engine, context, files);
    yield* engine.copyRows(
      fields,
      `${files} AS fact
       INNER JOIN piece_owner AS owner ON owner.review_id = fact.review_id
       LEFT JOIN suppressed_owner AS erased ON erased.customer_id = owner.customer_id
       WHERE erased.customer_id IS NULL
          OR NOT coalesce(coalesce(fact.reviewed_at, erased.since) <= erased.effective_at, true)`,
    );
  }
}

/** Waits while another load runs, however long that takes; Ctrl-C ends the wait. */
async function waitForTurn(client: DatabaseClient, context: StageContext): Promise<void> {
  const [attempt] = await client.query<{ free: boolean }>(
    'SELECT pg_try_advisory_xact_lock($1) AS free',
    [loadLock],
  );
  if (attempt?.free === true) return;
  context.report({ type: 'notice', message: 'Another load is running; waiting for it.' });
  await client.execute("SET LOCAL lock_timeout = '0'");
  await client.query('SELECT pg_advisory_xact_lock($1)', [loadLock]);
  await client.query("SELECT set_config('lock_timeout', $1, true)", [
    `${Math.round(context.config.database.lockTimeoutSeconds * 1000)}`,
  ]);
}

async function isNewerLoaded(client: DatabaseClient, snapshotAt: string): Promise<boolean> {
  const [row] = await client.query<{ newer: boolean }>(
    'SELECT EXISTS (SELECT FROM maintenance.fact_loads WHERE snapshot_at > $1) AS newer',
    [snapshotAt],
  );
  return row?.newer === true;
}

async function refreshViews(client: DatabaseClient, context: StageContext): Promise<void> {
  const { schema, refreshViews: names } = context.config.serving;
  for (const name of names) {
    await client.execute(`REFRESH MATERIALIZED VIEW ${quoteTable(schema, name)}`);
  }
}
