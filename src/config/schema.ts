import { z } from 'zod';
import { credentialsSchema } from './credentials-schema.js';
import { healthSchema } from './health-schema.js';
import { incidentsSchema } from './incidents-schema.js';
import { lakeSchema, sizeText } from './lake-schema.js';
import { privacySchema } from './privacy-schema.js';
import { maintenanceSchema, retentionSchema } from './retention-schema.js';
import { approvalsSchema, maintenanceWindowsSchema, operatorsSchema } from './runbook-schema.js';

/**
 * The configuration file, as operators write it. Every setting has a default, so an empty file is
 * valid. No secret has a place here: those come from the environment or `.env` (see secrets.ts).
 */

const identifier = z
  .string()
  .min(1)
  .max(63)
  .describe('A PostgreSQL identifier, as it is spelled in the catalog.');

const database = z.strictObject({
  port: z
    .int()
    .min(0)
    .max(65_535)
    .default(0)
    .describe('Port of the embedded server; 0 picks a free one and keeps it.'),
  connectTimeoutSeconds: z
    .number()
    .positive()
    .default(10)
    .describe('How long a connection may take to come about.'),
  lockTimeoutSeconds: z
    .number()
    .nonnegative()
    .default(30)
    .describe('How long a statement waits for a lock; 0 waits for ever.'),
  statementTimeoutSeconds: z
    .number()
    .nonnegative()
    .default(0)
    .describe('How long one statement may run; 0 is no limit (COPY of a large table takes long).'),
  idleInTransactionTimeoutSeconds: z
    .number()
    .nonnegative()
    .default(300)
    .describe('How long a transaction may do nothing before the server ends it; 0 is no limit.'),
});

/**
 * How the source's tables map to what the pipeline works on. A value is the name of a column, or
 * null where the source has none.
 */
const column = identifier.nullable();
const entities = z.strictObject({
  review: z
    .strictObject({
      table: identifier.default('review'),
      review_id: identifier.default('review_id'),
      customer_id: identifier.default('customer_id'),
      title: column.default('title'),
      body: identifier.default('body'),
      rating: identifier.default('rating'),
      verified_purchase: column.default('verified_purchase'),
      helpful_votes: column.default('helpful_votes'),
      created_at: column.default('created_at'),
    })
    .prefault({}),
  reviewProduct: z
    .strictObject({
      table: identifier.default('product_reviews'),
      review_id: identifier.default('review_id'),
      product_id: identifier.default('product_id'),
    })
    .prefault({}),
  reviewImage: z
    .strictObject({
      table: identifier.default('review_images'),
      review_id: identifier.default('review_id'),
      image_url: identifier.default('image_url'),
    })
    .prefault({}),
  product: z
    .strictObject({
      table: identifier.default('product'),
      product_id: identifier.default('product_id'),
      name: column.default('name'),
      category_id: column.default('category_id'),
    })
    .prefault({}),
  category: z
    .strictObject({
      table: identifier.default('category'),
      category_id: identifier.default('category_id'),
      name: identifier.default('name'),
    })
    .prefault({}),
  customer: z
    .strictObject({
      table: identifier.default('customer'),
      customer_id: identifier.default('customer_id'),
      created_at: column.default('created_at'),
    })
    .prefault({}),
  order: z
    .strictObject({
      table: identifier.default('orders'),
      order_id: identifier.default('order_id'),
      customer_id: identifier.default('buyer_id').describe('The column that names who ordered.'),
    })
    .prefault({}),
});

const source = z.strictObject({
  schema: identifier.default('amazon').describe('The schema that holds the business tables.'),
  managed: z
    .boolean()
    .default(true)
    .describe('Whether `db init` creates the business tables; false for a schema of your own.'),
  tables: z
    .union([z.literal('all'), z.array(identifier).min(1)])
    .default([
      'customer',
      'buyer',
      'category',
      'product',
      'product_images',
      'review',
      'review_images',
      'product_reviews',
      'orders',
      'order_items',
      'carrier',
    ])
    .describe('The tables that are extracted; "all" takes every table of the schema.'),
  omitColumns: z
    .record(identifier, z.array(identifier).min(1))
    .default({})
    .describe('Columns that never leave the source, by table: passwords, for one.'),
  entities: entities.prefault({}),
});

const serving = z.strictObject({
  schema: identifier.default('amazon'),
  table: identifier.default('fact_reviews').describe('The table that the gold layer is loaded to.'),
  refreshViews: z
    .array(identifier)
    .default(['product_summary'])
    .describe('Materialised views of the serving schema, refreshed after a load.'),
});

const weight = z.number().min(0).max(1);

/** Names of the score's components, in the order in which they are explained. */
export const scoreComponents = [
  'length',
  'image',
  'verified',
  'extremity',
  'freshness',
  'votes',
  'buyer',
  'sentiment',
] as const;
export type ScoreComponent = (typeof scoreComponents)[number];

const score = z.strictObject({
  preset: z
    .enum(['default', 'original'])
    .default('default')
    .describe('Where weights and parameters start from; what is set below overrides it.'),
  weights: z
    .partialRecord(z.enum(scoreComponents), weight)
    .default({})
    .describe('Weight of each component; they must add up to 1 with the preset’s.'),
  lengthMean: z.number().positive().default(300).describe('Characters of the ideal review.'),
  lengthDeviation: z
    .number()
    .positive()
    .default(200)
    .describe('How far from the ideal length the marks fall to 61 %, in characters.'),
  freshnessHalfLifeDays: z
    .number()
    .positive()
    .default(365)
    .describe('Age at which a review is worth half as much as a new one.'),
  votesForFullMarks: z
    .number()
    .positive()
    .default(50)
    .describe('Helpful votes from which a review gets the full marks for votes.'),
  ordersForFullMarks: z
    .number()
    .positive()
    .default(10)
    .describe('Orders from which a buyer counts as fully experienced.'),
  accountDaysForFullMarks: z
    .number()
    .positive()
    .default(730)
    .describe('Age of an account, in days, from which it counts as fully established.'),
  relevantFrom: z
    .number()
    .min(0)
    .max(100)
    .default(80)
    .describe('Score from which a review is called relevant.'),
});

const pipeline = z.strictObject({
  parallelism: z.int().min(1).max(32).default(2).describe('Connections that extract at once.'),
  memoryLimit: sizeText.default('1GB').describe('What the query engine may hold in memory.'),
  threads: z
    .int()
    .min(1)
    .max(128)
    .default(2)
    .describe('Threads of the query engine; more need more memory.'),
  chunkSize: sizeText.default('64MB').describe('How much of a table travels in one piece.'),
  rejectWarningPercent: z
    .number()
    .min(0)
    .max(100)
    .default(5)
    .describe('Share of rejected rows from which a run warns.'),
  rejectCriticalPercent: z
    .number()
    .min(0)
    .max(100)
    .default(10)
    .describe('Share of rejected rows that is critical.'),
  score: score.prefault({}),
});

const settings = {
  lake: lakeSchema.prefault({}),
  database: database.prefault({}),
  source: source.prefault({}),
  serving: serving.prefault({}),
  pipeline: pipeline.prefault({}),
  retention: retentionSchema.prefault({}),
  maintenance: maintenanceSchema.prefault({}),
  operators: operatorsSchema.prefault({}),
  approvals: approvalsSchema.prefault({}),
  maintenanceWindows: maintenanceWindowsSchema.prefault({}),
  health: healthSchema.prefault({}),
  credentials: credentialsSchema.prefault({}),
  privacy: privacySchema.prefault({}),
  incidents: incidentsSchema.prefault({}),
};

/** The effective configuration: every default filled in, the profile applied. */
export const configSchema = z.strictObject(settings);
export type Config = z.infer<typeof configSchema>;

/** Profile names that exist without being written in the file. */
export const builtInProfiles = ['dev', 'prod'] as const;
