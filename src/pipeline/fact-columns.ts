/**
 * Columns of the gold table and of the serving table that differ from row to row, in order. The serving table holds the customer
 * id in place of the pseudonym: the documented erasure statement names it.
 */
export const factColumns = [
  'review_id',
  'product_id',
  'customer_id',
  'product_name',
  'category',
  'title',
  'body',
  'rating',
  'text_length',
  'has_image',
  'image_url',
  'verified_purchase',
  'helpful_votes',
  'order_count',
  'reviewed_at',
  'score',
  'is_relevant',
  'score_length',
  'score_image',
  'score_verified',
  'score_extremity',
  'score_freshness',
  'score_votes',
  'score_buyer',
  'score_sentiment',
] as const;

/** Columns with one value for the whole batch, in both tables. */
export const batchColumns = ['batch_id', 'ingested_at', 'pipeline_version'] as const;
