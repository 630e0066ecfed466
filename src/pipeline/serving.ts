import { type Config, type ScoreComponent, scoreComponents } from '../config/schema.js';
import { type DatabaseClient, withClient } from '../database/client.js';
import { quoteTable } from '../database/identifiers.js';
import type { DatabaseTarget } from '../database/target.js';
import { failed } from '../system/errors.js';
import { type ExplainedComponent, explainScore, type ScoreWeights } from './score.js';

export interface BestReview {
  productId: string;
  productName: string | null;
  category: string;
  reviewId: string;
  /** 0 to 100. */
  score: number;
  rating: number;
  title: string | null;
  body: string;
  /** How many reviews of the product are published. */
  reviews: number;
  batchId: string;
}

export interface ExplainedReview extends BestReview {
  /** 1 for the best review of its product. */
  rank: number;
  preset: string;
  components: ExplainedComponent[];
}

interface FactRow {
  review_id: string;
  product_id: string;
  product_name: string | null;
  category: string;
  title: string | null;
  body: string;
  rating: number;
  score: number;
  batch_id: string;
  reviews: string;
}

/**
 * The best published review of a product: the highest score, the smaller review id among equals.
 *
 * @throws PRODUCT_NOT_FOUND (exit 1), TABLE_NOT_FOUND
 */
export const findBestReview = (
  target: DatabaseTarget,
  config: Config,
  productId: string,
  signal: AbortSignal,
): Promise<BestReview> =>
  withClient(target, { purpose: 'best review', settings: config.database, signal }, (client) =>
    bestReview(client, config.serving, productId),
  );

/**
 * Why a review scores what it scores: each component's value, weight and points, and where the
 * review stands among those of its product.
 *
 * @throws REVIEW_NOT_FOUND (exit 1), TABLE_NOT_FOUND
 */
export const findExplanation = (
  target: DatabaseTarget,
  config: Config,
  reviewId: string,
  signal: AbortSignal,
): Promise<ExplainedReview> =>
  withClient(target, { purpose: 'explain review', settings: config.database, signal }, (client) =>
    explainReview(client, config.serving, reviewId),
  );

async function bestReview(
  client: DatabaseClient,
  serving: Config['serving'],
  productId: string,
): Promise<BestReview> {
  const table = quoteTable(serving.schema, serving.table);
  const [row] = await client.query<FactRow>(
    `SELECT review_id, product_id, product_name, category, title, body, rating, score, batch_id,
            (SELECT count(*) FROM ${table} all_of_it WHERE all_of_it.product_id = $1) AS reviews
     FROM ${table} WHERE product_id = $1
     ORDER BY score DESC, review_id LIMIT 1`,
    [productId],
  );
  if (row === undefined) {
    throw failed('PRODUCT_NOT_FOUND', `No review of product "${productId}" is published.`, {
      hint: await hintForNothing(client, table),
    });
  }
  return fromRow(row);
}

async function explainReview(
  client: DatabaseClient,
  serving: Config['serving'],
  reviewId: string,
): Promise<ExplainedReview> {
  const table = quoteTable(serving.schema, serving.table);
  const [row] = await client.query<
    FactRow &
      Record<`score_${ScoreComponent}`, number | null> & {
        rank: string;
        settings: { preset: string; weights: ScoreWeights };
      }
  >(
    `SELECT fact.*, load.settings,
            (SELECT count(*) FROM ${table} peer WHERE peer.product_id = fact.product_id) AS reviews,
            (SELECT count(*) FROM ${table} peer WHERE peer.product_id = fact.product_id
               AND (peer.score > fact.score
                    OR (peer.score = fact.score AND peer.review_id <= fact.review_id))) AS rank
     FROM ${table} fact
     JOIN maintenance.fact_loads load ON load.batch_id = fact.batch_id
     WHERE fact.review_id = $1
     ORDER BY fact.product_id LIMIT 1`,
    [reviewId],
  );
  if (row === undefined) {
    throw failed('REVIEW_NOT_FOUND', `Review "${reviewId}" is not published.`, {
      hint: `${await hintForNothing(client, table)} A review that broke a rule is in silver's table "rejected".`,
    });
  }
  const values = Object.fromEntries(
    scoreComponents.map((name) => [name, row[`score_${name}`]]),
  ) as Record<ScoreComponent, number | null>;
  return {
    ...fromRow(row),
    rank: Number(row.rank),
    preset: row.settings.preset,
    components: explainScore(values, row.settings.weights),
  };
}

const fromRow = (row: FactRow): BestReview => ({
  productId: row.product_id,
  productName: row.product_name,
  category: row.category,
  reviewId: row.review_id,
  score: row.score,
  rating: row.rating,
  title: row.title,
  body: row.body,
  reviews: Number(row.reviews),
  batchId: row.batch_id,
});

async function hintForNothing(client: DatabaseClient, table: string): Promise<string> {
  const [row] = await client.query<{ any: boolean }>(`SELECT EXISTS (SELECT FROM ${table}) AS any`);
  return row?.any === true
    ? 'Check the id; ids are case-sensitive.'
    : 'Nothing is published yet: run `reviewops pipeline run`.';
}
