import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { configSchema } from '../../src/config/schema.js';
import type { DatabaseClient } from '../../src/database/client.js';
import { migrate } from '../../src/database/migrate.js';
import { literal } from '../../src/engine/session.js';
import { extract } from '../../src/pipeline/extract/extract.js';
import { load } from '../../src/pipeline/load.js';
import { model } from '../../src/pipeline/model.js';
import { transform } from '../../src/pipeline/transform.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { makeStageWorld, type StageWorld } from '../support/stage.js';

const batch = '20260101_000000';
const root = join(import.meta.dirname, '..', '..');

let database: TestDatabase;
let client: DatabaseClient;
let world: StageWorld;
let settings: object;

beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
  client = await database.client();
  await client.execute(await readFile(join(root, 'test/support/original-schema.sql'), 'utf8'));
  settings = parse(await readFile(join(root, 'examples/original-marketplace.config.yaml'), 'utf8'));
  world = await makeStageWorld({ settings, database: database.target });
  await migrate(database.target, configSchema.parse(settings), world.context);
});

afterAll(async () => {
  await world.dispose();
  await database.drop();
});

it('runs on the schema it grew on, by configuration alone', async () => {
  const extracted = await extract(world.context, batch);
  const bronze = await world.manifest('bronze', batch);
  for (const { name, rows } of bronze.tables) {
    const [counted] = await client.query<{ n: number }>(
      `SELECT count(*)::integer AS n FROM amazon."${name}"`,
    );
    expect([name, rows]).toEqual([name, counted?.n]);
  }
  expect(extracted.rowsOut).toBe(bronze.tables.reduce((sum, { rows }) => sum + rows, 0));

  const columns = Object.fromEntries(bronze.tables.map((table) => [table.name, table.columns]));
  expect(columns.customer?.map(({ name }) => name)).toEqual([
    'c_id',
    'fname',
    'lname',
    'phone',
    'email',
  ]);
  expect(columns.product).toContainEqual({ name: 'price', type: 'DECIMAL(38,15)' });
  expect(columns.review?.[0]).toEqual({ name: 'review_id', type: 'INTEGER' });
  const [file] = bronze.tables.find(({ name }) => name === 'product')?.files ?? [];
  const { path } = await world.context.lake.fetch(file?.key ?? '', world.context.scratch);
  const products = await world.engine.rows<{ price: string; category_id: string | null }>(
    `SELECT CAST(price AS VARCHAR) AS price, category_id FROM read_parquet(${literal(path)})`,
  );
  expect(products.map(({ price }) => price)).toContain('19.989999999999998');
  // The padding of char(n) is no part of the value: keys of either kind of type meet.
  expect([...new Set(products.map(({ category_id }) => category_id))].sort()).toEqual([
    'BEAUTY',
    'TOYS',
    null,
  ]);

  const transformed = await transform(world.context, batch);
  const modelled = await model(world.context, batch);
  const loaded = await load(world.context, batch, { unlessNewer: true });
  const [facts] = await client.query<{ reviews: number; shown: number; ordered: number }>(
    `SELECT count(*)::integer AS reviews, count(*) FILTER (WHERE has_image)::integer AS shown,
            count(*) FILTER (WHERE order_count > 0)::integer AS ordered
     FROM amazon.fact_reviews`,
  );
  expect(loaded.rowsOut).toBe(facts?.reviews);
  expect(modelled.rowsOut).toBe(facts?.reviews);
  expect(transformed.rowsIn).toBe(300);
  expect(facts?.reviews).toBeGreaterThan(200);
  expect(facts?.shown).toBe(2);
  expect(facts?.ordered).toBeGreaterThan(0);
  // Whose review it was is known in the serving table again, and nowhere in between.
  const [longer] = await client.query<{ customer_id: string }>(
    `SELECT customer_id FROM amazon.fact_reviews WHERE review_id = '299'`,
  );
  expect(longer?.customer_id).toBe('CUST000061-LONGER1');
});

it('lets no column out whose name it does not know', async () => {
  const { source } = settings as { source: object };
  const misspelt = await makeStageWorld({
    settings: { ...settings, source: { ...source, omitColumns: { customer: ['pwdd'] } } },
    database: database.target,
  });
  await expect(extract(misspelt.context, batch)).rejects.toMatchObject({
    code: 'COLUMN_NOT_FOUND',
    exitCode: 2,
    message: expect.stringContaining('source.omitColumns.customer'),
    hint: expect.stringContaining('"pwd"'),
  });
  await misspelt.dispose();
});
