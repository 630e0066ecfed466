import { execFileSync } from 'node:child_process';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatabaseClient } from '../../src/database/client.js';
import { readLayer } from '../../src/lake/publish.js';
import { extract } from '../../src/pipeline/extract/extract.js';
import type { ProgressEvent } from '../../src/system/progress.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { settingsWith } from '../support/extract.js';
import { type StageWorld, stageWorlds } from '../support/stage.js';

const batch = '20260101_000000';

let database: TestDatabase;
let client: DatabaseClient;
const makeWorld = stageWorlds();

beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.client();
  await client.execute(`
    SET search_path = amazon;
    INSERT INTO customer SELECT 'c' || i, 'First', '', NULL, NULL, now() FROM generate_series(1, 50) AS i;
    INSERT INTO buyer SELECT customer_id FROM customer;
    INSERT INTO category VALUES ('k1', 'Books', NULL);
    INSERT INTO product SELECT 'p' || i, 'Product ' || i, NULL, i, i, 'k1' FROM generate_series(1, 20) AS i;
    INSERT INTO review SELECT 'r' || lpad(i::text, 5, '0'), 'c' || i % 50 + 1, 'Title', repeat('text ', i % 40), i % 5 + 1, true, i, now()
      FROM generate_series(1, 3000) AS i;
    INSERT INTO product_reviews SELECT 'p' || right(review_id, 2)::integer % 20 + 1, review_id FROM review;
    INSERT INTO orders SELECT 'o' || i, 'c' || i % 50 + 1, NULL, 'shipped', 9.5, now() FROM generate_series(1, 100) AS i;
    CREATE VIEW slow AS SELECT generate_series(1, 1000000) AS id, repeat('x', 200) AS filler, pg_sleep(0.002)::text AS slept;
    RESET search_path;
    ANALYZE`);
});

afterAll(async () => {
  await database.drop();
});

interface WorldOptions {
  tables?: string[];
  pipeline?: object;
  settings?: object;
  signal?: AbortSignal;
  onEvent?: (event: ProgressEvent) => void;
}

async function open(options: WorldOptions = {}): Promise<StageWorld> {
  const world = await makeWorld({
    settings: options.settings ?? settingsWith(options.tables ?? [], options.pipeline),
    database: database.target,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const { report } = world.context;
  world.context.report = (event) => {
    report(event);
    options.onEvent?.(event);
  };
  return world;
}

/** Neither files in the lake nor leftovers in the scratch directory. */
async function expectNothingLeft({ context }: StageWorld): Promise<void> {
  expect(await readLayer(context.lake, 'bronze', batch)).toBeUndefined();
  const keys = [];
  for await (const { key } of context.lake.list('bronze/')) keys.push(key);
  expect(keys).toEqual([]);
  expect(await readdir(context.scratch)).toEqual([]);
}

/** Connections of the stage that are still open; they end a moment after they are closed. */
async function expectNoConnections(): Promise<void> {
  const until = Date.now() + 20_000;
  for (;;) {
    const rows = await client.query(
      `SELECT query FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE 'reviewops extract%'`,
    );
    if (rows.length === 0) return;
    if (Date.now() > until) throw new Error(`Still open: ${JSON.stringify(rows)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('extract', () => {
  it('publishes every row of every configured table, and what they were cut from', async () => {
    const world = await open();
    const result = await extract(world.context, batch);
    const manifest = await world.manifest('bronze', batch);
    for (const { name, rows } of manifest.tables) {
      const [counted] = await client.query<{ n: number }>(
        `SELECT count(*)::integer AS n FROM amazon."${name}"`,
      );
      expect([name, rows]).toEqual([name, counted?.n]);
    }
    expect(manifest.tables.map(({ name }) => name)).toEqual(world.context.config.source.tables);
    const total = 50 + 50 + 1 + 20 + 3000 + 3000 + 100;
    expect(result).toMatchObject({ stage: 'extract', rowsIn: total, rowsOut: total, rejected: 0 });
    expect(result.bytes).toBe(manifest.tables.reduce((sum, { bytes }) => sum + bytes, 0));
    expect(manifest.source).toMatchObject({
      server: expect.stringMatching(/^PostgreSQL /),
      database: expect.stringMatching(/^test_/),
      schema: 'amazon',
      lsn: expect.stringMatching(/\//),
    });
    expect(manifest.parents).toEqual([]);
    const review = manifest.tables.find(({ name }) => name === 'review');
    expect(review?.files).toHaveLength(1);
    expect(review?.files[0]).toMatchObject({
      key: 'bronze/batch=20260101_000000/review.parquet',
      rows: 3000,
      ranges: { review_id: { min: 'r00001', max: 'r03000' } },
    });
    expect(await readdir(world.context.scratch)).toEqual([]);
    await expectNoConnections();
  });

  it('reports each table from start to finish, with the planner’s estimate', async () => {
    const world = await open();
    await extract(world.context, batch);
    const review = world.events.filter(
      (event) => 'task' in event && event.task === 'extract review',
    );
    expect(review[0]).toEqual({
      type: 'started',
      task: 'extract review',
      unit: 'rows',
      total: 3000,
    });
    expect(review.at(-1)).toMatchObject({ type: 'finished', summary: '3,000 rows' });
  });

  it('splits a large table into ranges that meet, and takes every row once', async () => {
    await client.execute(`CREATE TABLE amazon.wide (id integer PRIMARY KEY, filler text);
      INSERT INTO amazon.wide SELECT i, repeat('x', 400) FROM generate_series(1, 20000) AS i;
      DELETE FROM amazon.wide WHERE id % 3 = 0;
      UPDATE amazon.wide SET filler = 'y' WHERE id % 7 = 0`);
    const world = await open({
      tables: ['wide'],
      pipeline: { chunkSize: '200kB', parallelism: 3 },
    });
    await extract(world.context, batch, { tables: ['wide'] });
    const [table] = (await world.manifest('bronze', batch)).tables;
    expect(table?.files.length).toBeGreaterThan(10);
    expect(table?.files.map(({ key }) => key).sort()).toEqual(table?.files.map(({ key }) => key));
    const ids = await world.rows<{ id: number }>('bronze', batch, 'wide', 'id');
    expect(ids.map(({ id }) => id)).toEqual(
      Array.from({ length: 20000 }, (_, index) => index + 1).filter((id) => id % 3 !== 0),
    );
    // The range of each file is that of its rows: together they hold every id.
    for (const { ranges, rows } of table?.files ?? []) {
      const { min, max } = ranges.id ?? {};
      expect(Number(max) - Number(min)).toBeGreaterThanOrEqual(rows - 1);
    }
    await client.execute('DROP TABLE amazon.wide');
  });

  it('cuts all tables at one moment, however much is written meanwhile', async () => {
    let writing = true;
    const writer = await database.client();
    const write = async () => {
      for (let i = 0; writing; i += 1) {
        await writer.transaction(async () => {
          await writer.execute(`INSERT INTO amazon.review (review_id) VALUES ('w${i}')`);
          await writer.execute(`INSERT INTO amazon.product_reviews VALUES ('p1', 'w${i}')`);
        });
      }
    };
    const written = write();
    const world = await open({ pipeline: { chunkSize: '20kB', parallelism: 3 } });
    await extract(world.context, batch);
    writing = false;
    await written;
    const reviews = await world.rows<{ review_id: string }>('bronze', batch, 'review');
    const links = await world.rows<{ review_id: string }>('bronze', batch, 'product_reviews');
    expect(links.map((row) => row.review_id).sort()).toEqual(
      reviews.map((row) => row.review_id).sort(),
    );
    await client.execute(`DELETE FROM amazon.review WHERE review_id LIKE 'w%'`);
  });

  it('replaces its own output when it runs again', async () => {
    const world = await open();
    await extract(world.context, batch);
    await client.execute(`INSERT INTO amazon.carrier VALUES ('x', 'Express')`);
    await extract(world.context, batch);
    const manifest = await world.manifest('bronze', batch);
    expect(manifest.generation).toBe(2);
    expect(manifest.tables.find(({ name }) => name === 'carrier')?.rows).toBe(1);
    await client.execute('DELETE FROM amazon.carrier');
  });
});

describe('which tables', () => {
  it('takes with "all" every table but the serving table and partitions', async () => {
    await client.execute(`
      CREATE TABLE amazon.parts (id integer, kind text) PARTITION BY LIST (kind);
      CREATE TABLE amazon.parts_a PARTITION OF amazon.parts FOR VALUES IN ('a');
      CREATE TABLE amazon.parts_b PARTITION OF amazon.parts FOR VALUES IN ('b');
      CREATE TABLE amazon.fact_of_a_batch PARTITION OF amazon.fact_reviews FOR VALUES IN ('b1');
      INSERT INTO amazon.parts SELECT i, CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END FROM generate_series(1, 10) AS i`);
    const world = await open({ settings: { source: { tables: 'all' } } });
    await extract(world.context, batch);
    const { tables } = await world.manifest('bronze', batch);
    expect(tables.map(({ name }) => name).sort()).toEqual(
      [...(world.context.config.source.tables === 'all' ? standard : []), 'parts'].sort(),
    );
    expect(tables.find(({ name }) => name === 'parts')?.rows).toBe(10);
    expect(
      (await world.rows<{ id: number }>('bronze', batch, 'parts', 'id')).map(({ id }) => id),
    ).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    await client.execute('DROP TABLE amazon.parts, amazon.fact_of_a_batch');
  });

  it('takes views, materialised too, when they are named', async () => {
    await client.execute(`
      CREATE VIEW amazon.seen AS SELECT review_id, rating FROM amazon.review WHERE rating = 5;
      CREATE MATERIALIZED VIEW amazon.kept AS SELECT count(*) AS reviews FROM amazon.review`);
    const world = await open({ tables: ['seen', 'kept'] });
    await extract(world.context, batch, { tables: ['seen', 'kept'] });
    const { tables } = await world.manifest('bronze', batch);
    expect(tables.map(({ name, rows }) => [name, rows])).toEqual([
      ['seen', 600],
      ['kept', 1],
    ]);
    await client.execute('DROP VIEW amazon.seen; DROP MATERIALIZED VIEW amazon.kept');
  });

  it('extracts a part into a batch of its own, and never shrinks another', async () => {
    const world = await open();
    await extract(world.context, batch, { tables: ['product', 'category'] });
    const { tables } = await world.manifest('bronze', batch);
    expect(tables.map(({ name }) => name)).toEqual(['category', 'product']);
    await expect(extract(world.context, batch, { tables: ['product'] })).rejects.toMatchObject({
      code: 'BATCH_HOLDS_MORE',
      exitCode: 3,
      message: expect.stringContaining('category'),
    });
    const other = '20260101_000001';
    await expect(extract(world.context, other, { tables: ['produkt'] })).rejects.toMatchObject({
      code: 'TABLE_NOT_SELECTED',
      exitCode: 2,
      hint: expect.stringContaining('"product"'),
    });
    // All of them again is no loss.
    await extract(world.context, batch, { tables: ['category', 'product', 'carrier'] });
  });

  it('names a table that was dropped', async () => {
    await client.execute('ALTER TABLE amazon.carrier RENAME TO carriers');
    const world = await open();
    await expect(extract(world.context, batch)).rejects.toMatchObject({
      code: 'TABLE_NOT_FOUND',
      exitCode: 2,
      message: expect.stringContaining('"carrier"'),
      hint: expect.stringContaining('"carriers"'),
    });
    await expectNothingLeft(world);
    await client.execute('ALTER TABLE amazon.carriers RENAME TO carrier');
  });

  it('names a column that was renamed, the setting that wants it, and the nearest', async () => {
    await client.execute('ALTER TABLE amazon.review RENAME COLUMN body TO body_text');
    const world = await open();
    await expect(extract(world.context, batch)).rejects.toMatchObject({
      code: 'COLUMN_NOT_FOUND',
      exitCode: 2,
      message: expect.stringMatching(/amazon\.review.*"body".*source\.entities\.review\.body/),
      hint: expect.stringContaining('body_text'),
    });
    await expectNothingLeft(world);
    await client.execute('ALTER TABLE amazon.review RENAME COLUMN body_text TO body');
  });

  it('names a schema without tables', async () => {
    const world = await open({ settings: { source: { schema: 'nowhere' } } });
    await expect(extract(world.context, batch)).rejects.toMatchObject({
      code: 'SCHEMA_NOT_FOUND',
      exitCode: 2,
    });
  });

  it('wants the tables of the entities among those it extracts', async () => {
    const world = await open({ settings: { source: { tables: ['review', 'product_reviews'] } } });
    await expect(extract(world.context, batch)).rejects.toMatchObject({
      code: 'ENTITY_TABLE_NOT_SELECTED',
      exitCode: 2,
      message: expect.stringContaining('source.entities.reviewImage.table'),
    });
  });

  it('refuses names and columns it could not keep apart', async () => {
    await client.execute(`CREATE TABLE amazon."../up" (id integer);
      CREATE TABLE amazon.twice ("Id" integer, "id" integer); CREATE TABLE amazon.bare ()`);
    for (const [table, code] of [
      ['../up', 'TABLE_NAME_UNSUPPORTED'],
      ['twice', 'COLUMN_NAMES_COLLIDE'],
      ['bare', 'TABLE_WITHOUT_COLUMNS'],
    ] as const) {
      const world = await open({ tables: [table] });
      const options = { tables: [table] };
      await expect(extract(world.context, batch, options)).rejects.toMatchObject({ code });
    }
    await client.execute('DROP TABLE amazon."../up", amazon.twice, amazon.bare');
  });
});

const standard = [
  'buyer',
  'carrier',
  'category',
  'customer',
  'order_items',
  'orders',
  'product',
  'product_images',
  'product_reviews',
  'review',
  'review_images',
];

describe('failures in the middle', () => {
  /** Runs the slow extraction and does something once rows are arriving. */
  async function during(
    action: () => Promise<unknown> | unknown,
    options: WorldOptions = {},
  ): Promise<{ world: StageWorld; failure: unknown; seconds: number }> {
    let acted: Promise<unknown> | undefined;
    let at = 0;
    const world = await open({
      tables: ['slow'],
      ...options,
      onEvent: (event) => {
        if (event.type !== 'progress' || acted !== undefined) return;
        at = performance.now();
        acted = Promise.resolve(action());
      },
    });
    const failure = await extract(world.context, batch, { tables: ['slow'] }).then(
      () => undefined,
      (error: unknown) => error,
    );
    await acted;
    return { world, failure, seconds: (performance.now() - at) / 1000 };
  }

  const terminate = (name: string) => () =>
    client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = $1`,
      [name],
    );

  it('names a database that goes away while it sends', async () => {
    const { world, failure } = await during(terminate('reviewops extract'));
    expect(failure).toMatchObject({ code: 'DATABASE_UNREACHABLE', exitCode: 5 });
    await expectNothingLeft(world);
    await expectNoConnections();
  });

  it('does not trust copies whose locks were lost', async () => {
    const { context } = await open({ tables: ['brief'] });
    await client.execute(
      'CREATE VIEW amazon.brief AS SELECT generate_series(1, 100) AS id, pg_sleep(0.01)::text AS slept',
    );
    const { report } = context;
    context.report = (event) => {
      report(event);
      if (event.type === 'started') void terminate('reviewops extract snapshot')();
    };
    await expect(extract(context, batch, { tables: ['brief'] })).rejects.toMatchObject({
      code: 'DATABASE_UNREACHABLE',
    });
    await client.execute('DROP VIEW amazon.brief');
  });

  it('ends within two seconds of Ctrl-C, on both sides, and leaves nothing', async () => {
    const stop = new AbortController();
    const { world, failure, seconds } = await during(() => stop.abort(), { signal: stop.signal });
    expect(failure).toMatchObject({ code: 'INTERRUPTED', exitCode: 130 });
    expect(seconds).toBeLessThan(4);
    await expectNothingLeft(world);
    await expectNoConnections();
  });

  it('says what a query of the source fails with, and stops the other connections', async () => {
    await client.execute(
      'CREATE VIEW amazon.broken AS SELECT 1 / (500 - generate_series(1, 1000)) AS id',
    );
    const world = await open({ tables: ['slow', 'broken'], pipeline: { parallelism: 2 } });
    await expect(
      extract(world.context, batch, { tables: ['slow', 'broken'] }),
    ).rejects.toMatchObject({
      code: 'DATABASE_ERROR',
      message: expect.stringContaining('division by zero'),
    });
    await expectNothingLeft(world);
    await expectNoConnections();
    await client.execute('DROP VIEW amazon.broken');
  });

  it('needs the direct endpoint', async () => {
    const world = await open();
    world.context.database = async () => ({ ...database.target, endpoint: 'pooler' });
    await expect(extract(world.context, batch)).rejects.toMatchObject({
      code: 'ENDPOINT_POOLED',
      exitCode: 2,
    });
    await expectNothingLeft(world);
  });

  it.skipIf(process.getuid?.() !== 0)(
    'names a full disk, and gives its space back (needs root)',
    async () => {
      await client.execute(`CREATE TABLE amazon.bulky AS
      SELECT i AS id, (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 30) AS j) AS filler
      FROM generate_series(1, 8000) AS i`);
      const world = await open({ tables: ['bulky'] });
      const mount = join(world.context.scratch, 'small');
      await mkdir(mount);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', mount]);
      try {
        const context = { ...world.context, scratch: mount };
        await expect(extract(context, batch, { tables: ['bulky'] })).rejects.toMatchObject({
          code: 'DISK_FULL',
          exitCode: 1,
          message: expect.stringContaining(mount),
        });
        expect(await readdir(mount)).toEqual([]);
      } finally {
        execFileSync('umount', [mount]);
      }
      await rm(mount, { recursive: true });
      await expectNothingLeft(world);
      await expectNoConnections();
      await client.execute('DROP TABLE amazon.bulky');
    },
  );
});
