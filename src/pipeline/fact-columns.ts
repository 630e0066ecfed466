import type { CopyType } from '../engine/copy-binary.js';

/**
 * Columns of the gold table and of the serving table that differ from row to row, in order, with
 * their types in the serving table, which holds the customer id in place of the pseudonym: the
 * documented erasure statement names it.
 */
const types = {
  review_id: 'text',
  product_id: 'text',
  customer_id: 'text',
  product_name: 'text',
  category: 'text',
  title: 'text',
  body: 'text',
  rating: 'smallint',
  text_length: 'integer',
  has_image: 'boolean',
  image_url: 'text',
  verified_purchase: 'boolean',
  helpful_votes: 'integer',
  order_count: 'integer',
  reviewed_at: 'timestamptz',
  score: 'double precision',
  is_relevant: 'boolean',
  score_length: 'double precision',
  score_image: 'double precision',
  score_verified: 'double precision',
  score_extremity: 'double precision',
  score_freshness: 'double precision',
  score_votes: 'double precision',
  score_buyer: 'double precision',
  score_sentiment: 'double precision',
} satisfies Record<string, CopyType>;

export type FactColumn = keyof typeof types;

export const factColumns = Object.keys(types) as FactColumn[];

export const factType = (column: FactColumn): CopyType => types[column];

/** Columns with one value for the whole batch, in both tables. */
export const batchColumns = ['batch_id', 'ingested_at', 'pipeline_version'] as const;
