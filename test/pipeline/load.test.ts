import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DatabaseClient, openClient } from '../../src/database/client.js';
import { load } from '../../src/pipeline/load.js';
import { model } from '../../src/pipeline/model.js';
import { findBestReview, findExplanation } from '../../src/pipeline/serving.js';
import { transform } from '../../src/pipeline/transform.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { holdTable } from '../support/hold.js';
import { rewriteLayer } from '../support/rewrite.js';
import { makeStageWorld, type StageWorld } from '../support/stage.js';

const batches = ['20260102_030405', '20260102_030406'] as const;

const bronze = {
  review: `SELECT 'R' || i AS review_id, 'C' || (i % 3) AS customer_id, CASE WHEN i % 4 = 0 THEN NULL ELSE '' END AS title,
    'Body "quoted", with a comma' || chr(10) || 'and a second line \\. ' || i AS body, (i % 5 + 1)::smallint AS rating,
    true AS verified_purchase, i::integer AS helpful_votes, TIMESTAMPTZ '2025-01-01 12:34:56.789+00' AS created_at
    FROM range(100) t(i)`,
  product_reviews:
    "SELECT 'R' || i AS review_id, 'P' || (i % 10) AS product_id FROM range(100) t(i)",
  product:
    "SELECT 'P' || i AS product_id, 'Lamp ' || i AS name, 'K1' AS category_id FROM range(10) t(i)",
  category: "SELECT 'K1' AS category_id, 'Home' AS name",
  customer:
    "SELECT 'C' || i AS customer_id, TIMESTAMPTZ '2020-01-01 00:00:00+00' AS created_at FROM range(3) t(i)",
};

describe('load', () => {
  let database: TestDatabase;
  let world: StageWorld;
  let client: DatabaseClient;
  const signal = new AbortController().signal;

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  beforeEach(async () => {
    world = await makeStageWorld({ database: database.target });
    client = await openClient(database.target, {
      purpose: 'test',
      settings: world.context.config.database,
      signal,
    });
    await client.execute('TRUNCATE amazon.customer CASCADE');
    await client.execute(
      "INSERT INTO amazon.customer SELECT 'C' || i FROM generate_series(0, 2) i",
    );
    await client.execute(
      "INSERT INTO amazon.review (review_id, customer_id) SELECT 'R' || i, 'C' || i % 3 FROM generate_series(0, 99) i",
    );
  });
  afterEach(async () => {
    await client.execute('TRUNCATE amazon.fact_reviews, maintenance.fact_loads');
    await client.close();
    await world.dispose();
  });

  const makeGold = async (batchId: string, snapshotAt?: string) => {
    const context =
      snapshotAt === undefined
        ? world.context
        : { ...world.context, now: () => new Date(snapshotAt) };
    await world.publishBronze(batchId, bronze, context.now());
    await transform(context, batchId);
    await model(context, batchId);
  };
  const count = async (where = 'true') =>
    Number(
      (
        await client.query<{ count: string }>(
          `SELECT count(*) FROM amazon.fact_reviews WHERE ${where}`,
        )
      )[0]?.count,
    );
  const loaded = async () =>
    (await client.query<{ batch_id: string }>('SELECT batch_id FROM maintenance.fact_loads')).map(
      (row) => row.batch_id,
    );

  it('publishes every row, unchanged, with the customer from the source', async () => {
    await makeGold(batches[0]);
    const result = await load(world.context, batches[0], { unlessNewer: false });
    expect(result).toMatchObject({ stage: 'load', rowsIn: 100, rowsOut: 100, rejected: 0 });
    const gold = await world.rows<Record<string, unknown>>(
      'gold',
      batches[0],
      'fact_reviews',
      'review_id',
    );
    const facts = await client.query<Record<string, unknown>>(
      'SELECT * FROM amazon.fact_reviews ORDER BY review_id COLLATE "C"',
    );
    const withoutIds = ({ buyer_id: _b, customer_id: _c, ...row }: Record<string, unknown>) => row;
    expect(facts.map(withoutIds)).toEqual(gold.map(withoutIds));
    expect(facts[0]).toMatchObject({ review_id: 'R0', customer_id: 'C0', title: null });
    expect(facts.some((row) => 'buyer_id' in row)).toBe(false);
  });

  it('publishes every row, once, when the gold files go piece by piece', async () => {
    await makeGold(batches[0]);
    const part = (rest: number) => `SELECT * FROM layer WHERE helpful_votes % 3 = ${rest}`;
    const place = { lake: world.context.lake, root: world.context.scratch };
    await rewriteLayer(place, 'gold', batches[0], 'fact_reviews', [part(0), part(1), part(2)]);
    const result = await load(world.context, batches[0], { unlessNewer: false, pieceRows: 40 });
    expect(result).toMatchObject({ rowsIn: 100, rowsOut: 100, rejected: 0 });
    const facts = await client.query<{ review_id: string; customer_id: string }>(
      'SELECT review_id, customer_id FROM amazon.fact_reviews',
    );
    expect(new Map(facts.map((row) => [row.review_id, row.customer_id]))).toEqual(
      new Map(Array.from({ length: 100 }, (_, i) => [`R${i}`, `C${i % 3}`])),
    );
  });

  it('finds the customers of reviews whose ids are padded to a length in the source', async () => {
    await client.execute(
      "CREATE TABLE amazon.padded AS SELECT review_id::char(8), 'D1'::char(10) AS customer_id FROM amazon.review",
    );
    const padded = await makeStageWorld({
      database: database.target,
      settings: { source: { entities: { review: { table: 'padded' } } } },
    });
    try {
      const { review, ...others } = bronze;
      await padded.publishBronze(batches[0], { padded: review, ...others });
      await transform(padded.context, batches[0]);
      await model(padded.context, batches[0]);
      const result = await load(padded.context, batches[0], { unlessNewer: false });
      expect(result).toMatchObject({ rowsOut: 100, rejected: 0 });
      expect(await count("customer_id = 'D1'")).toBe(100);
    } finally {
      await padded.dispose();
      await client.execute('DROP TABLE amazon.padded');
    }
  });

  it('names the author of the review that was kept, where the source has an id several times', async () => {
    await client.execute(
      `CREATE VIEW amazon.repeating AS
       SELECT review_id, unnest(ARRAY['A' || right(review_id, 1), customer_id, 'D1']) AS customer_id FROM amazon.review
       UNION ALL SELECT 'R100', NULL UNION ALL SELECT 'R100', 'C1'`,
    );
    const repeating = await makeStageWorld({
      database: database.target,
      settings: { source: { entities: { review: { table: 'repeating' } } } },
    });
    try {
      const { review, ...others } = bronze;
      await repeating.publishBronze(batches[0], {
        ...others,
        repeating: `${review} UNION ALL SELECT 'R100', NULL, 'x', 'nobody wrote it', 5, true, -3, NULL`,
        product_reviews: `${others.product_reviews} UNION ALL SELECT 'R100', 'P1'`,
      });
      await transform(repeating.context, batches[0]);
      await model(repeating.context, batches[0]);
      const result = await load(repeating.context, batches[0], { unlessNewer: false });
      expect(result).toMatchObject({ rowsIn: 101, rowsOut: 101, rejected: 0 });
      const facts = await client.query<{ review_id: string; customer_id: string | null }>(
        'SELECT review_id, customer_id FROM amazon.fact_reviews',
      );
      expect(new Map(facts.map((row) => [row.review_id, row.customer_id]))).toEqual(
        new Map([
          ...Array.from({ length: 100 }, (_, i): [string, string] => [`R${i}`, `C${i % 3}`]),
          ['R100', null],
        ]),
      );
      expect(await count('helpful_votes = -3 AND score_votes = 0')).toBe(1);
    } finally {
      await repeating.dispose();
      await client.execute('DROP VIEW amazon.repeating');
    }
  });

  it('lets the documented erasure statements run as they are written', async () => {
    await makeGold(batches[0]);
    await load(world.context, batches[0], { unlessNewer: false });
    expect(await client.execute("DELETE FROM amazon.review WHERE customer_id = 'C1'")).toBe(33);
    expect(await client.execute("DELETE FROM amazon.fact_reviews WHERE customer_id = 'C1'")).toBe(
      33,
    );
    expect(await count("customer_id = 'C1'")).toBe(0);
    // What is gone from the source does not come back with the next load of the same batch.
    const again = await load(world.context, batches[0], { unlessNewer: false });
    expect(again).toMatchObject({ rowsOut: 67, rejected: 33 });
    expect(world.events).toContainEqual(
      expect.objectContaining({ type: 'warning', message: expect.stringContaining('33 rows') }),
    );
  });

  it('replaces the previous batch, leaving nothing of it, and keeps grants, views and indexes', async () => {
    await makeGold(batches[0]);
    await makeGold(batches[1], '2026-01-03T00:00:00Z');
    await client.execute(
      'CREATE VIEW amazon.watcher AS SELECT count(*) AS n FROM amazon.fact_reviews',
    );
    await client.execute('GRANT SELECT ON amazon.fact_reviews TO pg_monitor');
    await load(world.context, batches[0], { unlessNewer: false });
    await load(world.context, batches[1], { unlessNewer: false });
    expect(await loaded()).toEqual([batches[1]]);
    expect(await count(`batch_id = '${batches[1]}'`)).toBe(100);
    expect(await count()).toBe(100);
    expect(await client.query('SELECT n::integer FROM amazon.watcher')).toEqual([{ n: 100 }]);
    const tables = await client.query<{ relname: string; indexes: number }>(
      `SELECT relname, (SELECT count(*)::integer FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid) AS indexes
       FROM pg_class c WHERE relkind = 'r' AND relname LIKE 'fact_reviews%'`,
    );
    expect(tables).toEqual([{ relname: expect.stringContaining(batches[1]), indexes: 3 }]);
    expect(
      await client.query(
        "SELECT has_table_privilege('pg_monitor', 'amazon.fact_reviews', 'SELECT') AS granted",
      ),
    ).toEqual([{ granted: true }]);
    await client.execute('DROP VIEW amazon.watcher');
    await client.execute('REVOKE SELECT ON amazon.fact_reviews FROM pg_monitor');
  });

  it('does not undo a later snapshot unless asked for that batch', async () => {
    await makeGold(batches[0]);
    await makeGold(batches[1], '2026-01-03T00:00:00Z');
    await load(world.context, batches[1], { unlessNewer: true });
    const late = await load(world.context, batches[0], { unlessNewer: true });
    expect(late).toMatchObject({ rowsOut: 0, rejected: 0, superseded: true });
    expect(await loaded()).toEqual([batches[1]]);
    await load(world.context, batches[0], { unlessNewer: false });
    expect(await loaded()).toEqual([batches[0]]);
  });

  it('never shows a reader half of a load, also with loads at once', async () => {
    await makeGold(batches[0]);
    await makeGold(batches[1], '2026-01-03T00:00:00Z');
    await load(world.context, batches[0], { unlessNewer: false });
    let finished = false;
    const loads = Promise.all(
      [0, 1, 2, 3].map((i) =>
        load(
          { ...world.context, scratch: `${world.context.scratch}-${i}` },
          batches[i % 2] ?? batches[0],
          { unlessNewer: false },
        ),
      ),
    ).finally(() => {
      finished = true;
    });
    const seen = new Set<string>();
    while (!finished) {
      const rows = await client.query<{ batch_id: string; n: number }>(
        'SELECT batch_id, count(*)::integer AS n FROM amazon.fact_reviews GROUP BY batch_id',
      );
      seen.add(rows.map(({ n }) => n).join('+'));
    }
    await loads;
    expect([...seen]).toEqual(['100']);
    expect(await loaded()).toHaveLength(1);
  });

  it('leaves the published batch when the connection is lost in the middle', async () => {
    await makeGold(batches[0]);
    await makeGold(batches[1]);
    await load(world.context, batches[0], { unlessNewer: false });
    // All is copied, and nothing of it is in the table yet.
    const hold = await holdTable(database, 'amazon.fact_reviews');
    const dying = load(world.context, batches[1], { unlessNewer: false });
    const outcome = expect(dying).rejects.toMatchObject({
      code: 'DATABASE_UNREACHABLE',
      exitCode: 5,
    });
    await hold.awaited();
    await client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'reviewops load' AND datname = current_database()",
    );
    await outcome;
    await hold.release();
    expect(await loaded()).toEqual([batches[0]]);
    expect(await count(`batch_id = '${batches[0]}'`)).toBe(100);
    expect(
      await client.query(
        "SELECT relname FROM pg_class WHERE relname LIKE 'fact_reviews_2%' AND relkind = 'r'",
      ),
    ).toHaveLength(1);
  });

  it('answers which review of a product is best, and why', async () => {
    await makeGold(batches[0]);
    await load(world.context, batches[0], { unlessNewer: false });
    const { config } = world.context;
    const best = await findBestReview(database.target, config, 'P3', signal);
    const [expected] = await client.query<{ review_id: string; score: number }>(
      "SELECT review_id, score FROM amazon.fact_reviews WHERE product_id = 'P3' ORDER BY score DESC, review_id LIMIT 1",
    );
    expect(best).toMatchObject({ productId: 'P3', reviewId: expected?.review_id, reviews: 10 });
    const why = await findExplanation(database.target, config, best.reviewId, signal);
    expect(why).toMatchObject({ rank: 1, reviews: 10, preset: 'default' });
    const points = why.components.reduce((sum, component) => sum + component.points, 0);
    expect(points).toBeCloseTo(best.score, 9);
    const summary = await client.query(
      "SELECT best_review_id, reviews::integer FROM amazon.product_summary WHERE product_id = 'P3'",
    );
    expect(summary).toEqual([{ best_review_id: best.reviewId, reviews: 10 }]);
    await expect(findBestReview(database.target, config, 'p3', signal)).rejects.toMatchObject({
      code: 'PRODUCT_NOT_FOUND',
      exitCode: 1,
    });
    await expect(findExplanation(database.target, config, 'nope', signal)).rejects.toMatchObject({
      code: 'REVIEW_NOT_FOUND',
    });
  });

  it('names a serving view that does not exist', async () => {
    await makeGold(batches[0]);
    const config = {
      ...world.context.config,
      serving: { ...world.context.config.serving, refreshViews: ['absent'] },
    };
    await expect(
      load({ ...world.context, config }, batches[0], { unlessNewer: false }),
    ).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND', exitCode: 2 });
    expect(await loaded()).toEqual([]);
  });
});
