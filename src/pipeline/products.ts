import type { Config } from '../config/schema.js';
import { withClient } from '../database/client.js';
import { quoteTable } from '../database/identifiers.js';
import type { DatabaseTarget } from '../database/target.js';

export interface PublishedProduct {
  productId: string;
  productName: string | null;
  category: string;
  reviews: number;
  /** 0 to 100. */
  bestScore: number;
}

export interface ProductQuery {
  target: DatabaseTarget;
  config: Config;
  /** At most this many, those with the most reviews first. */
  limit: number;
  signal: AbortSignal;
}

/**
 * The products with published reviews.
 *
 * @throws TABLE_NOT_FOUND
 */
export async function listProducts(query: ProductQuery): Promise<PublishedProduct[]> {
  const { schema, table } = query.config.serving;
  const options = {
    purpose: 'list products',
    settings: query.config.database,
    signal: query.signal,
    readOnly: true,
  };
  const rows = await withClient(query.target, options, (client) =>
    client.query<{
      product_id: string;
      product_name: string | null;
      category: string;
      reviews: string;
      best_score: number;
    }>(
      `SELECT product_id, max(product_name) AS product_name, max(category) AS category,
              count(*) AS reviews, max(score) AS best_score
       FROM ${quoteTable(schema, table)}
       GROUP BY product_id ORDER BY count(*) DESC, product_id LIMIT $1`,
      [query.limit],
    ),
  );
  return rows.map((row) => ({
    productId: row.product_id,
    productName: row.product_name,
    category: row.category,
    reviews: Number(row.reviews),
    bestScore: row.best_score,
  }));
}
