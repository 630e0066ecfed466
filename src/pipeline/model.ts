import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetSource } from '../engine/parquet.js';
import { literal } from '../engine/session.js';
import { manifestKey } from '../lake/layout.js';
import type { Manifest, ManifestTable } from '../lake/manifest.js';
import { type LayerDraft, requireLayer } from '../lake/publish.js';
import { failed } from '../system/errors.js';
import { publishFenced } from './fence.js';
import { fetchCheckedFiles } from './layer-files.js';
import { type ScoreWeights, scoreWeights } from './score.js';
import { writeSentiment } from './sentiment.js';
import { declareMacros, runSqlFile, type SqlSetting } from './sql.js';
import type { StageContext, StageResult } from './stage.js';
import { openStageEngine } from './stage-engine.js';
import { TableWriter } from './table-writer.js';

/** What model.sql reads of silver. */
export const modelColumns = [
  'review_id',
  'product_id',
  'body',
  'rating',
  'text_length',
  'has_image',
  'verified_purchase',
  'helpful_votes',
  'order_count',
  'buyer_since',
  'reviewed_at',
];

/**
 * Silver to gold: scores each review and keeps the columns the business works with. Ages are
 * counted to the batch's snapshot, so that a rerun gives the same scores.
 *
 * @throws LAYER_NOT_FOUND, SILVER_INCOMPLETE, WEIGHTS_INVALID and what engine and lake throw
 */
export async function model(context: StageContext, batchId: string): Promise<StageResult> {
  const started = performance.now();
  const weights = scoreWeights(context.config.pipeline.score);
  const silver = await requireLayer(context.lake, 'silver', batchId);
  const review = reviewTable(silver.manifest);
  const scratch = join(context.scratch, 'model');
  await mkdir(scratch, { recursive: true });
  const files = await fetchCheckedFiles(context, silver.manifest, scratch, ['review']);
  const engine = await openStageEngine(context, scratch);
  try {
    context.report({ type: 'started', task: 'model', total: review.rows, unit: 'rows' });
    await declareMacros(engine, context.pseudonymKey);
    await engine.run(
      `CREATE VIEW silver_review AS SELECT * FROM ${parquetSource(files.of(review))}`,
    );
    const withSentiment = weights.sentiment > 0;
    if (withSentiment) await writeSentiment(engine, context, scratch);
    await runSqlFile(engine, 'model.sql', {
      ...modelSettings(context, weights, silver.manifest.source.snapshotAt),
      sentiment: {
        sql: withSentiment ? '(sentiment.compound + 1.0) / 2.0' : 'CAST(NULL AS DOUBLE)',
      },
      sentiment_join: {
        sql: withSentiment ? 'LEFT JOIN sentiment ON sentiment.review_id = review.review_id' : '',
      },
      batch_id: batchId,
    });
    const writer = new TableWriter(
      engine,
      {
        name: 'fact_reviews',
        select: 'SELECT * FROM fact_reviews',
        rangeColumns: ['review_id', 'product_id'],
      },
      scratch,
    );
    await writer.write();
    const facts = await writer.finish();
    const draft: LayerDraft = {
      layer: 'gold',
      batchId,
      tables: [facts],
      source: silver.manifest.source,
      parents: [{ key: manifestKey('silver', batchId), sha256: silver.sha256 }],
      rejected: {},
      settings: {
        ...silver.manifest.settings,
        preset: context.config.pipeline.score.preset,
        weights,
      },
      tool: context.tool,
      now: context.now(),
      guard: { lost: context.signal },
    };
    const published = await publishFenced(context, draft, parquetSource(files.of(review)));
    const [table] = published.manifest.tables;
    return {
      stage: 'model',
      seconds: (performance.now() - started) / 1000,
      rowsIn: review.rows,
      rowsOut: table?.rows ?? 0,
      rejected: 0,
      bytes: table?.bytes ?? 0,
    };
  } finally {
    await engine.close();
    await files.dispose();
    await rm(scratch, { recursive: true, force: true });
  }
}

function reviewTable(silver: Manifest): ManifestTable {
  const table = silver.tables.find(({ name }) => name === 'review');
  const present = table?.columns.map(({ name }) => name) ?? [];
  const missing = modelColumns.filter((name) => !present.includes(name));
  if (table !== undefined && missing.length === 0) return table;
  throw failed(
    'SILVER_INCOMPLETE',
    `Silver of batch ${silver.batchId} lacks ${table === undefined ? 'the table review' : `the columns ${missing.join(', ')} of review`}.`,
    { hint: `Run \`reviewops pipeline run --batch-id ${silver.batchId} --from transform\`.` },
  );
}

function modelSettings(
  context: StageContext,
  weights: ScoreWeights,
  snapshotAt: string,
): Record<string, SqlSetting> {
  const { score } = context.config.pipeline;
  return {
    as_of: { sql: `CAST(${literal(snapshotAt)} AS TIMESTAMP WITH TIME ZONE)` },
    length_mean: score.lengthMean,
    length_deviation: score.lengthDeviation,
    freshness_half_life_days: score.freshnessHalfLifeDays,
    votes_for_full_marks: score.votesForFullMarks,
    orders_for_full_marks: score.ordersForFullMarks,
    account_days_for_full_marks: score.accountDaysForFullMarks,
    relevant_from: score.relevantFrom,
    ...Object.fromEntries(
      Object.entries(weights).map(([name, value]) => [`weight_${name}`, value]),
    ),
    ingested_at: context.now().toISOString(),
    pipeline_version: context.tool.version,
  };
}
