import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from '../engine/session.js';
import { manifestKey } from '../lake/layout.js';
import type { Manifest, ManifestTable } from '../lake/manifest.js';
import { type DraftTable, requireLayer } from '../lake/publish.js';
import { publishFenced } from './fence.js';
import { areLinksUnique, declarePieceView, declareSourceViews, reviewTable } from './harmonise.js';
import { fetchCheckedFiles, filesInPieces, type LayerFiles, rowsInMemory } from './layer-files.js';
import { pseudonymKeyId } from './pseudonym.js';
import { rejectedByReason } from './rejects.js';
import { declareMacros, joinAsGuessed, joinAsWritten, runSqlFile } from './sql.js';
import type { StageContext, StageResult } from './stage.js';
import { openStageEngine } from './stage-engine.js';
import { TableWriter } from './table-writer.js';

/** A value as the source wrote it, if it could not be read. */
const original = (name: string): string =>
  `'${name}': coalesce(to_json(unread_${name}), to_json(${name}))`;

/** What a rejected row keeps of its source: all of it, with the pseudonym for the customer. */
const originalData = `row_json({
  'review_id': review_id, 'buyer_id': pseudonym(customer_id), 'title': title, 'description': body,
  ${['rating', 'verified_purchase', 'helpful_votes', 'created_at'].map(original).join(', ')}})`;

/**
 * Bronze to silver: applies the quality rules, cleans, joins, and replaces customer ids by
 * pseudonyms. Publishes the tables `review` and `rejected`. Works on at most `pieceRows` reviews at
 * a time, unless a single file holds more.
 *
 * @throws BATCH_NOT_FOUND, LAYER_NOT_FOUND, MANIFEST_CORRUPT, TABLE_NOT_IN_BATCH,
 * COLUMN_NOT_IN_BATCH, FILE_CORRUPT and what the engine and the lake throw
 */
export async function transform(
  context: StageContext,
  batchId: string,
  pieceRows = rowsInMemory(context.config),
): Promise<StageResult> {
  const started = performance.now();
  const bronze = await requireLayer(context.lake, 'bronze', batchId);
  const scratch = join(context.scratch, 'transform');
  await mkdir(scratch, { recursive: true });
  const tables = Object.values(context.config.source.entities).map(({ table }) => table);
  const files = await fetchCheckedFiles(context, bronze.manifest, scratch, tables);
  const reviews = reviewTable(bronze.manifest, context.config.source.entities);
  const { rows: rowsIn } = reviews;
  const engine = await openStageEngine(context, scratch, { inPieces: rowsIn > pieceRows });
  try {
    await declareMacros(engine, context.pseudonymKey);
    const { absent, repeated, unread } = await declareSourceViews(
      engine,
      bronze.manifest,
      context.config.source.entities,
      files.of,
    );
    if (absent.length > 0) {
      context.log.warn({ batchId, absent }, 'tables absent from the batch count as empty');
      context.report({
        type: 'warning',
        message: `Batch ${batchId} holds no table for ${absent.join(', ')}; they count as empty.`,
      });
    }
    for (const { table, rows } of repeated) {
      context.log.warn({ batchId, table, rows }, 'ids come more than once');
      context.report({
        type: 'warning',
        message: `Table "${table}" has ${rows} rows with an id that another row has; of each id, one row counts: the first in the order of its values.`,
      });
    }
    for (const { table, column, rows } of unread) {
      context.log.warn({ batchId, table, column, rows }, 'values cannot be read');
      context.report({
        type: 'warning',
        message: `Of the values in column "${column}" of table "${table}", ${rows} cannot be read and count as absent.`,
      });
    }
    context.report({ type: 'started', task: 'transform', total: rowsIn, unit: 'rows' });
    await runSqlFile(engine, 'transform.sql');
    const { review, rejected } = await writePieces(
      { context, engine, scratch, pieceRows },
      bronze.manifest,
      reviews,
      files,
    );
    const byReason = await rejectedByReason(engine, rejected);
    const published = await publishFenced(context, {
      layer: 'silver',
      batchId,
      tables: [review, rejected],
      source: bronze.manifest.source,
      parents: [{ key: manifestKey('bronze', batchId), sha256: bronze.sha256 }],
      rejected: byReason,
      settings: { pseudonymKeyId: pseudonymKeyId(context.pseudonymKey) },
      tool: context.tool,
      now: context.now(),
      guard: { lost: context.signal },
    });
    return {
      stage: 'transform',
      seconds: (performance.now() - started) / 1000,
      rowsIn,
      rowsOut: rowsOf(published.manifest, 'review'),
      rejected: rowsOf(published.manifest, 'rejected'),
      bytes: published.manifest.tables.reduce((total, table) => total + table.bytes, 0),
    };
  } finally {
    await engine.close();
    await files.dispose();
    await rm(scratch, { recursive: true, force: true });
  }
}

interface TransformWork {
  context: StageContext;
  engine: Engine;
  scratch: string;
  pieceRows: number;
}

/** The tables of silver, piece by piece of the reviews: memory grows with a piece, not with the batch. */
async function writePieces(
  { context, engine, scratch, pieceRows }: TransformWork,
  bronze: Manifest,
  reviews: ManifestTable,
  files: LayerFiles,
): Promise<{ review: DraftTable; rejected: DraftTable }> {
  const { entities } = context.config.source;
  const review = new TableWriter(
    engine,
    {
      name: 'review',
      select: 'SELECT * FROM silver_review',
      rangeColumns: ['review_id', 'product_id'],
    },
    scratch,
  );
  const rejected = new TableWriter(
    engine,
    { name: 'rejected', select: 'SELECT * FROM silver_rejected' },
    scratch,
  );
  const settings = {
    rejected_at: context.now().toISOString(),
    original_data: { sql: originalData },
    distinct_links: { sql: areLinksUnique(bronze, entities) ? '' : 'DISTINCT' },
  };
  for (const piece of filesInPieces(reviews, files, pieceRows)) {
    await declarePieceView(engine, bronze, entities, reviews, piece);
    await runSqlFile(engine, 'transform-piece.sql', settings);
    await joinAsWritten(engine);
    await review.write();
    await joinAsGuessed(engine);
    await rejected.write();
  }
  return { review: await review.finish(), rejected: await rejected.finish() };
}

const rowsOf = ({ tables }: Manifest, table: string): number =>
  tables.find(({ name }) => name === table)?.rows ?? 0;
