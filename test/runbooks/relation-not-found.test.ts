import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { missingForeignKeys } from '../../src/database/foreign-keys.js';
import { foreignKeysOf, relationOf, splitStatements } from '../../src/database/statements.js';
import inconsistentRows from '../../src/runbooks/inconsistent-rows.js';
import relationNotFound from '../../src/runbooks/relation-not-found.js';
import { createTestDatabase } from '../support/database.js';
import { type BrokenWorld, completeBatch, makeBrokenWorld } from '../support/repairs.js';

describe('relation-not-found', () => {
  let world: BrokenWorld;
  beforeAll(async () => {
    world = await makeBrokenWorld({ reviews: 200 });
    await completeBatch(world);
  });
  afterAll(() => world.dispose());

  /** Columns, indexes and constraints of everything, without the names of partitions. */
  const shape = () =>
    world.client.query(
      `SELECT c.relname, c.relkind::text AS kind,
         (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
          FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
         (SELECT string_agg(pg_get_constraintdef(o.oid), '; ' ORDER BY o.conname) FROM pg_constraint o
          WHERE o.conrelid = c.oid AND o.contype <> 'n') AS constraints,
         (SELECT count(*)::int FROM pg_index i WHERE i.indrelid = c.oid) AS indexes
       FROM pg_class c WHERE c.relnamespace = 'amazon'::regnamespace AND c.relkind IN ('r', 'p', 'm')
         AND NOT c.relispartition ORDER BY 1`,
    );

  it('finds nothing to do when every table is there', async () => {
    const before = await world.picture();
    const report = await world.repair(relationNotFound);
    expect(report).toMatchObject({ state: 'succeeded', plan: { targets: [] }, branch: null });
    expect(await world.picture()).toEqual(before);
  });

  it('makes dropped tables again as they were, and leads to the load that fills them', async () => {
    const whole = await shape();
    await world.client.execute('DROP TABLE amazon.fact_reviews CASCADE');
    await world.client.execute('DROP TABLE amazon.review_images');
    const before = await world.picture();
    expect((await world.repair(relationNotFound, {}, { answer: 'no' })).state).toBe('aborted');
    expect(await world.picture()).toEqual(before);
    const report = await world.repair(relationNotFound);
    expect(report.steps.find(({ id }) => id === 'relations')?.finding?.evidence).toEqual({
      relations: ['amazon.review_images', 'amazon.fact_reviews', 'amazon.product_summary'],
    });
    expect(report).toMatchObject({ state: 'succeeded', exitCode: 0 });
    expect(await shape()).toEqual(whole);
    expect(report.branch).toMatchObject({ runbook: 'inconsistent-rows' });
    expect(
      (
        await world.repair(
          inconsistentRows,
          report.branch?.to === 'runbook' ? report.branch.input : {},
        )
      ).state,
    ).toBe('succeeded');
    const [row] = await world.client.query('SELECT count(*)::int AS n FROM amazon.fact_reviews');
    expect(row).toEqual({ n: 184 });
  });

  it('makes the foreign keys again that a dropped table took along', async () => {
    const whole = await shape();
    await world.client.execute('DROP TABLE amazon.carrier CASCADE');
    await world.client.execute('DROP TABLE amazon.review CASCADE');
    const report = await world.repair(relationNotFound);
    expect(report).toMatchObject({ state: 'succeeded', exitCode: 0 });
    expect(report.plan?.targets.map(({ name }) => name).sort()).toEqual([
      'amazon.carrier',
      'amazon.orders(carrier_id) to amazon.carrier',
      'amazon.product_reviews(review_id) to amazon.review',
      'amazon.review',
      'amazon.review_images(review_id) to amazon.review',
    ]);
    // No order names a carrier and no image is left; the links to reviews that are gone stay.
    expect(report.steps.find(({ id }) => id === 'restore-keys')?.data).toEqual({
      valid: 2,
      forNewRows: 1,
    });
    const insert = world.client.execute("INSERT INTO amazon.review_images VALUES ('nobody', 'x')");
    await expect(insert).rejects.toThrow(/foreign key/);
    await world.client.execute('DELETE FROM amazon.product_reviews');
    await world.client.execute(
      'ALTER TABLE amazon.product_reviews VALIDATE CONSTRAINT product_reviews_review_id_fkey',
    );
    expect(await shape()).toEqual(whole);
  });

  it('makes a whole schema again that was dropped', async () => {
    const whole = await shape();
    await world.client.execute('DROP SCHEMA amazon CASCADE');
    const report = await world.repair(relationNotFound);
    expect(report).toMatchObject({ state: 'succeeded' });
    expect(await shape()).toEqual(whole);
    expect(report.steps.find(({ id }) => id === 'rows')?.finding).toMatchObject({
      state: 'warning',
      summary: expect.stringContaining('reviewops db import'),
    });
  });

  it('makes the schema in a database that has none', async () => {
    const empty = await createTestDatabase({ empty: true });
    try {
      const services = { ...world.services, database: async () => empty.target };
      const report = await world.repair(relationNotFound, {}, { services });
      expect(report).toMatchObject({ state: 'succeeded', exitCode: 0 });
      expect(report.plan?.targets).toMatchObject([{ type: 'schema', state: { state: 'missing' } }]);
    } finally {
      await empty.drop();
    }
  });

  it('touches nothing that a newer version made', async () => {
    const [table] = await world.client.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relname LIKE 'migrations_serving%' AND relkind = 'r'`,
    );
    await world.client.execute(
      `INSERT INTO maintenance.${table?.name} (name, run_on) VALUES ('29990101_future', now())`,
    );
    const report = await world.repair(relationNotFound);
    expect(report).toMatchObject({ state: 'failed', reason: expect.stringContaining('newer') });
  });
});

describe('statements of migrations', () => {
  it('name every foreign key that the database has after them', async () => {
    const database = await createTestDatabase();
    try {
      const client = await database.client();
      const config = configSchema.parse({});
      expect(await missingForeignKeys(client, config)).toEqual([]);
      const keys = await client.query<{ made: string }>(
        `SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS made
         FROM pg_constraint WHERE contype = 'f'`,
      );
      for (const { made } of keys) await client.execute(made);
      expect(await missingForeignKeys(client, config)).toHaveLength(keys.length);
    } finally {
      await database.drop();
    }
  });

  it.each([
    ['CREATE TABLE s.t (a int, b text REFERENCES s.u)', [['b'], 's.u', '']],
    [
      'CREATE TABLE "S".t (a int CHECK (a > 0), CONSTRAINT k FOREIGN KEY ("A", b) REFERENCES s."U" (x, y) ON DELETE CASCADE)',
      [['A', 'b'], 's.U', '(x, y) ON DELETE CASCADE'],
    ],
  ])('%s', (statement, [columns, to, rest]) => {
    expect(
      foreignKeysOf(statement).map((key) => [
        key.columns,
        `${key.target.schema}.${key.target.name}`,
        key.rest,
      ]),
    ).toEqual([[columns, to, rest]]);
  });

  it('are split where they end, whatever quotes hold', () => {
    expect(
      splitStatements(
        "-- a; comment\nSELECT 'it''s; x'; CREATE FUNCTION f() AS $body$ BEGIN; END $body$;\n/* ; */ SELECT \"a;b\" - 1;",
      ),
    ).toEqual([
      "SELECT 'it''s; x'",
      'CREATE FUNCTION f() AS $body$ BEGIN; END $body$',
      'SELECT "a;b" - 1',
    ]);
  });

  it.each([
    ['CREATE TABLE "amazon".review (id int)', 'amazon.review', true],
    ['CREATE UNIQUE INDEX i ON "amazon".product_summary (p)', 'amazon.product_summary', false],
    ['CREATE INDEX ON "Am""x"."T" (p)', 'Am"x.T', false],
    ['ALTER TABLE maintenance.incidents ADD COLUMN x int', 'maintenance.incidents', false],
  ])('%s is about %s', (statement, name, creates) => {
    const relation = relationOf(statement);
    expect(`${relation?.schema}.${relation?.name}`).toBe(name);
    expect(relation?.creates).toBe(creates);
  });
});
