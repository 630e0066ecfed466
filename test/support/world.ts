import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configSchema } from '../../src/config/schema.js';
import type { DatabaseClient } from '../../src/database/client.js';
import type { Lake } from '../../src/lake/lake.js';
import { openLocalLake } from '../../src/lake/local.js';
import type { PipelineEnvironment } from '../../src/pipeline/run.js';
import type { ProgressEvent } from '../../src/system/progress.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { testPseudonymKey, testTool } from './stage.js';

export interface World {
  root: string;
  lake: Lake;
  database: TestDatabase;
  client: DatabaseClient;
  environment: PipelineEnvironment;
  events: ProgressEvent[];
  /** The environment of one more run beside this one: its own scratch directory and signal. */
  another(signal?: AbortSignal): Promise<PipelineEnvironment>;
  dispose(): Promise<void>;
}

/** A database with `reviews` small reviews, a local lake, and what a pipeline run needs. */
export async function makeWorld(
  options: { reviews?: number; settings?: object } = {},
): Promise<World> {
  const root = await mkdtemp(join(tmpdir(), 'reviewops-world-'));
  const database = await createTestDatabase();
  const client = await database.client();
  await insertReviews(client, options.reviews ?? 1000);
  const lake = await openLocalLake(join(root, 'data'));
  const config = configSchema.parse(options.settings ?? {});
  const events: ProgressEvent[] = [];
  const another = async (
    signal: AbortSignal = new AbortController().signal,
  ): Promise<PipelineEnvironment> => ({
    job: { report: (event) => events.push(event), signal, now: () => new Date() },
    config,
    lake,
    database: async () => database.target,
    pseudonymKey: testPseudonymKey,
    scratch: await mkdtemp(join(root, 'scratch-')),
    logsDirectory: join(root, 'logs'),
    tool: testTool,
    redact: (text) => text,
  });
  return {
    root,
    lake,
    database,
    client,
    environment: await another(),
    events,
    another,
    dispose: async () => {
      await database.drop();
      // What a killed run had under way may still write a file while this removes them.
      await rm(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    },
  };
}

/** 1 in 20 has no rating and 1 in 25 no text; every product has a category and every buyer an order. */
export async function insertReviews(client: DatabaseClient, reviews: number): Promise<void> {
  const statements = [
    "INSERT INTO amazon.customer SELECT 'C' || i, 'First', 'Last', NULL, NULL, '2020-01-01' FROM generate_series(1, $1::integer / 2 + 1) i",
    'INSERT INTO amazon.buyer SELECT customer_id FROM amazon.customer WHERE $1::integer IS NOT NULL',
    "INSERT INTO amazon.category SELECT 'K' || i, 'Category ' || i FROM generate_series(1, 5) i WHERE $1::integer IS NOT NULL",
    "INSERT INTO amazon.product SELECT 'P' || i, 'Product ' || i, NULL, 9.99, 1, 'K' || (i % 5 + 1) FROM generate_series(1, $1::integer / 10 + 1) i",
    `INSERT INTO amazon.review SELECT 'R' || i, 'C' || (i % ($1::integer / 2 + 1) + 1), 'Title ' || i,
       CASE WHEN i % 25 = 0 THEN ' ' ELSE 'Review text number ' || i || repeat(' and more', i % 40) END,
       CASE WHEN i % 20 = 0 THEN NULL ELSE i % 5 + 1 END, i % 3 = 0, i % 30, timestamptz '2025-01-01' + i * interval '1 minute'
     FROM generate_series(1, $1::integer) i`,
    "INSERT INTO amazon.product_reviews SELECT 'P' || (i % ($1::integer / 10 + 1) + 1), 'R' || i FROM generate_series(1, $1::integer) i",
    "INSERT INTO amazon.review_images SELECT 'R' || i, 'https://example.test/' || i || '.jpg' FROM generate_series(1, $1::integer, 7) i",
    "INSERT INTO amazon.orders (order_id, buyer_id) SELECT 'O' || customer_id, customer_id FROM amazon.customer WHERE $1::integer IS NOT NULL",
  ];
  for (const statement of statements) await client.execute(statement, [reviews]);
}
