import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import type { DatabaseClient } from '../../src/database/client.js';
import type { ImportResult } from '../../src/import/job.js';
import { importSample } from '../../src/import/sample.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

async function sample(
  database: TestDatabase,
  reviews: number,
  seed: number,
  config = configSchema.parse({}),
): Promise<ImportResult> {
  const scratch = await mkdtemp(join(tmpdir(), 'sample-'));
  try {
    return await importSample({
      target: database.target,
      config,
      context: {
        report: () => undefined,
        signal: new AbortController().signal,
        now: () => new Date(),
      },
      scratch,
      rejectsDirectory: join(scratch, 'rejects'),
      reviews,
      seed,
    });
  } finally {
    await rm(scratch, { recursive: true });
  }
}

describe('the sample', () => {
  let database: TestDatabase;
  let client: DatabaseClient;
  let first: ImportResult;
  beforeAll(async () => {
    database = await createTestDatabase();
    client = await database.client();
    first = await sample(database, 5_000, 1);
  });
  afterAll(() => database.drop());

  const one = async (sql: string) => (await client.query(sql))[0];

  it('counts what it loaded; order rows that come twice are folded', async () => {
    expect(first).toMatchObject({ format: 'sample', rejected: 0, rejectsFile: null });
    expect(first.folded).toBeGreaterThan(0);
    expect(first.read).toBe(first.loaded + first.folded);
    const rows = Object.fromEntries(first.tables.map((table) => [table.table, table.rows]));
    expect(rows).toMatchObject({
      category: 20,
      review: 5_000,
      product: 250,
      customer: 2_000,
      product_reviews: 5_000,
    });
    for (const [table, count] of Object.entries(rows)) {
      expect(await one(`SELECT count(*)::int AS rows FROM amazon.${table}`)).toEqual({
        rows: count,
      });
    }
  });

  it('is realistic, and as awkward as real data', async () => {
    const row = await one(
      `SELECT avg(rating)::float AS rating, avg(length(body))::float AS length, max(length(body)) AS longest,
              avg((btrim(body) = '')::int)::float AS blank, avg((rating IS NULL)::int)::float AS unrated,
              avg((rating NOT BETWEEN 1 AND 5)::int)::float AS outside, avg(verified_purchase::int)::float AS verified,
              (SELECT count(DISTINCT review_id) FROM amazon.review_images)::float / count(*) AS pictured,
              (SELECT count(*) FROM amazon.orders)::float / count(*) AS ordered,
              count(*) FILTER (WHERE title = 'None')::int AS none, count(*) FILTER (WHERE body LIKE '%' || chr(10) || '%')::int AS lines,
              count(*) FILTER (WHERE body LIKE '%"%')::int AS quotes, count(*) FILTER (WHERE body LIKE '%👍%')::int AS emoji,
              max(helpful_votes) AS votes, extract(day FROM max(created_at) - min(created_at))::int AS days
       FROM amazon.review`,
    );
    const between = (value: unknown, low: number, high: number) => {
      expect(value).toBeGreaterThan(low);
      expect(value).toBeLessThan(high);
    };
    between(row?.rating, 3.8, 4.3);
    between(row?.length, 150, 400);
    between(row?.longest, 1_000, 2_500);
    between(row?.blank, 0.005, 0.016);
    between(row?.unrated, 0.002, 0.009);
    between(row?.outside, 0.002, 0.009);
    between(row?.verified, 0.55, 0.75);
    between(row?.pictured, 0.12, 0.18);
    between(row?.ordered, 0.37, 0.43);
    between(row?.votes, 50, 500);
    for (const name of ['none', 'lines', 'quotes', 'emoji'])
      expect(row?.[name]).toBeGreaterThan(10);
    between(row?.days, 1_800, 1_827);
    expect(
      await one('SELECT count(*)::int AS rows FROM amazon.product WHERE category_id IS NULL'),
    ).not.toEqual({ rows: 0 });
  });

  // One seed, one set of rows, on every machine and with every version of the engine.
  it('is the same everywhere', async () => {
    const digest = createHash('sha256');
    for (const table of ['customer', 'product', 'review', 'review_images', 'orders']) {
      const rows = await client.query<{ row: string }>(
        `SELECT t::text AS row FROM amazon.${table} t ORDER BY t::text COLLATE "C"`,
      );
      for (const { row } of rows) digest.update(`${row}\n`);
    }
    expect(digest.digest('hex')).toBe(
      '89294b015c4aab6e8f5d55d0c300d625ebee5507f888624f45b458726a3deb40',
    );
  });

  it('is recognised when it is there, and completed when part of it is gone', async () => {
    const again = await sample(database, 5_000, 1);
    expect(again).toMatchObject({ read: first.read, loaded: 0, folded: first.read, rejected: 0 });
    await client.query(
      'DELETE FROM amazon.review_images WHERE ctid IN (SELECT ctid FROM amazon.review_images LIMIT 7)',
    );
    const repaired = await sample(database, 5_000, 1);
    expect(repaired).toMatchObject({ read: first.read, loaded: 7, folded: first.read - 7 });
  });

  it('differs by seed and stands beside others', async () => {
    const other = await sample(database, 100, 2);
    expect(other.tables).toContainEqual({ table: 'review', rows: 100 });
    expect(await sample(database, 1, 3)).toMatchObject({ rejected: 0 });
  });

  it('refuses what makes no sense', async () => {
    await expect(sample(database, 0, 1)).rejects.toMatchObject({ code: 'SAMPLE_INVALID' });
    await expect(sample(database, 10, -1)).rejects.toMatchObject({ code: 'SAMPLE_INVALID' });
    const own = configSchema.parse({ source: { managed: false } });
    await expect(sample(database, 10, 1, own)).rejects.toMatchObject({
      code: 'SAMPLE_NEEDS_MANAGED_SCHEMA',
    });
  });
});
