import type { DataClass, Treatment } from '../config/privacy-schema.js';
import type { Config } from '../config/schema.js';

/** What a table's rows of a person become, and why. */
export interface TableRule {
  columns: Record<string, DataClass>;
  rows?: Treatment;
  reason?: string;
  owner?: string;
  reviewAt?: string;
}

const all = (dataClass: DataClass, ...names: string[]): Record<string, DataClass> =>
  Object.fromEntries(names.map((name) => [name, dataClass]));

const facts = {
  ...all('none', 'review_id', 'product_id', 'product_name', 'category', 'rating', 'text_length'),
  ...all('none', 'has_image', 'verified_purchase', 'helpful_votes', 'reviewed_at', 'score'),
  ...all('none', 'is_relevant', 'score_length', 'score_image', 'score_verified'),
  ...all('none', 'score_extremity', 'score_freshness', 'score_votes', 'score_buyer'),
  ...all('none', 'score_sentiment', 'batch_id', 'ingested_at', 'pipeline_version'),
  ...all('personal', 'image_url', 'order_count', 'buyer_since'),
  ...all('free-text', 'title', 'body'),
  ...all('identifier', 'customer_id', 'buyer_id'),
};

/** The tables that `db init` makes, by name in source.schema or serving.schema. */
const business: Record<string, TableRule> = {
  customer: {
    columns: {
      ...all('identifier', 'customer_id', 'email', 'phone'),
      ...all('personal', 'first_name', 'last_name', 'created_at'),
    },
    rows: 'delete',
  },
  buyer: { columns: all('identifier', 'buyer_id'), rows: 'delete' },
  category: { columns: all('none', 'category_id', 'name', 'description') },
  product: {
    columns: all('none', 'product_id', 'name', 'description', 'price', 'quantity', 'category_id'),
  },
  product_images: { columns: all('none', 'product_id', 'image_url') },
  review: {
    columns: {
      ...all('none', 'review_id', 'rating', 'verified_purchase', 'helpful_votes', 'created_at'),
      ...all('identifier', 'customer_id'),
      ...all('free-text', 'title', 'body'),
    },
    rows: 'delete',
  },
  review_images: {
    columns: { ...all('none', 'review_id'), ...all('personal', 'image_url') },
    rows: 'delete',
  },
  product_reviews: { columns: all('none', 'product_id', 'review_id'), rows: 'delete' },
  carrier: { columns: all('none', 'carrier_id', 'name') },
  orders: {
    columns: {
      ...all('none', 'order_id', 'carrier_id', 'status'),
      ...all('identifier', 'buyer_id'),
      ...all('personal', 'total', 'ordered_at'),
    },
    rows: 'delete',
  },
  order_items: {
    columns: {
      ...all('none', 'order_id', 'product_id'),
      ...all('personal', 'quantity', 'unit_price'),
    },
    rows: 'delete',
  },
  fact_reviews: { columns: facts, rows: 'delete' },
  product_summary: {
    columns: {
      ...all('none', 'product_id', 'product_name', 'category', 'reviews', 'average_rating'),
      ...all('none', 'best_review_id', 'best_score'),
    },
  },
};

/** Tables of the pipeline's own layers, whose columns its SQL decides. */
export const layerRules: Record<string, TableRule> = {
  'silver/review': { columns: facts },
  'silver/rejected': {
    columns: {
      ...all('none', 'review_id', 'reason', 'error_details', 'rejected_at'),
      ...all('free-text', 'original_data'),
    },
  },
  'gold/fact_reviews': { columns: facts },
};

/** The tool's own tables hold no customer by design; their texts are searched all the same. */
const ownTable: TableRule = { columns: { '*': 'free-text' } };
const ownSchema = 'maintenance';

/** What is said of a table: the configuration's word before the built-in one, column by column. */
export function ruleOf(config: Config, schema: string, table: string): TableRule {
  const { tables } = config.privacy;
  const isSource = schema === config.source.schema;
  const bare = isSource || schema === config.serving.schema;
  const builtIn =
    schema === ownSchema
      ? ownTable
      : bare
        ? business[builtInName(config, schema, table)]
        : undefined;
  const given = [
    tables[`${schema}.*`],
    bare ? tables[table] : undefined,
    tables[`${schema}.${table}`],
  ];
  const rule: TableRule = { columns: { ...builtIn?.columns } };
  for (const one of [builtIn, ...given]) {
    if (one === undefined) continue;
    const { columns, rows, reason, owner, reviewAt } = one;
    Object.assign(rule.columns, columns);
    if (rows !== undefined) rule.rows = rows;
    if (reason !== undefined) rule.reason = reason;
    if (owner !== undefined) rule.owner = owner;
    if (reviewAt !== undefined) rule.reviewAt = reviewAt;
  }
  return rule;
}

/** The serving table is ours whatever it is called. */
const builtInName = ({ serving }: Config, schema: string, table: string): string =>
  schema === serving.schema && table === serving.table ? 'fact_reviews' : table;

/** Undefined for a column about which nothing is said. */
export const classOf = ({ columns }: TableRule, column: string): DataClass | undefined =>
  columns[column] ?? columns['*'];
