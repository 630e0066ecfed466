import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { migrate, requireSchema, schemaState } from '../../src/database/migrate.js';
import { migrationSets } from '../../src/database/migrations.js';
import { judge } from '../../src/database/schema-state.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const job = {
  signal: new AbortController().signal,
  report: () => undefined,
  now: () => new Date(),
};
const config = configSchema.parse({});

const tablesOf = async (database: TestDatabase): Promise<string[]> => {
  const client = await database.client();
  const rows = await client.query<{ name: string }>(
    `SELECT table_schema || '.' || table_name AS name FROM information_schema.tables
     WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
};

describe('migrate', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase({ empty: true });
  });
  afterAll(() => database.drop());

  it('makes the schema once, however many do it at once', async () => {
    const client = await database.client();
    expect(await schemaState(client, config)).toBe('missing');
    await expect(requireSchema(client, config)).rejects.toMatchObject({
      code: 'SCHEMA_MISSING',
      exitCode: 2,
      hint: expect.stringContaining('reviewops db init'),
    });

    const results = await Promise.all([1, 2, 3].map(() => migrate(database.target, config, job)));

    const known = (await migrationSets(config)).flatMap(({ names }) => names).length;
    expect(results.map(({ applied }) => applied.length).sort()).toEqual([0, 0, known]);
    expect(results.map(({ alreadyApplied }) => alreadyApplied).sort()).toEqual([0, known, known]);
    expect(await schemaState(client, config)).toBe('current');
    await requireSchema(client, config);
    const tables = await tablesOf(database);
    expect(tables).toEqual(
      expect.arrayContaining(['amazon.review', 'amazon.fact_reviews', 'maintenance.incidents']),
    );
  });

  it('honours the names of the configuration, whatever they are', async () => {
    const odd = configSchema.parse({
      source: { schema: `My "Shop"; DROP` },
      serving: { schema: 'Serving', table: `fact's` },
    });
    const { applied } = await migrate(database.target, odd, job);
    expect(applied).toHaveLength(2);
    const tables = await tablesOf(database);
    expect(tables).toEqual(expect.arrayContaining([`My "Shop"; DROP.review`, `Serving.fact's`]));
    expect((await migrate(database.target, odd, job)).applied).toEqual([]);
    const client = await database.client();
    expect(await schemaState(client, odd)).toBe('current');
    expect(await schemaState(client, config)).toBe('current');
  });

  it('leaves the business tables to whoever manages them', async () => {
    const own = await createTestDatabase({ empty: true });
    try {
      await migrate(own.target, configSchema.parse({ source: { managed: false } }), job);
      expect((await tablesOf(own)).filter((name) => name.startsWith('amazon.'))).toEqual([
        'amazon.fact_reviews',
      ]);
    } finally {
      await own.drop();
    }
  });

  it('changes nothing where something of that name exists', async () => {
    const taken = await createTestDatabase({ empty: true });
    try {
      const client = await taken.client();
      await client.execute('CREATE SCHEMA amazon');
      await client.execute('CREATE TABLE amazon.orders (mine integer)');
      await expect(migrate(taken.target, config, job)).rejects.toMatchObject({
        code: 'SCHEMA_CONFLICT',
        exitCode: 2,
        hint: expect.stringContaining('source.managed'),
      });
      expect(await tablesOf(taken)).toEqual(['amazon.orders']);
    } finally {
      await taken.drop();
    }
  });

  it('refuses a schema of a newer version and changes nothing', async () => {
    const newer = await createTestDatabase();
    try {
      const client = await newer.client();
      const [table] = (await tablesOf(newer)).filter((name) => name.includes('migrations_serving'));
      await client.execute(
        `INSERT INTO ${table} (name, run_on) VALUES ('20991231000000000_later', now())`,
      );
      await client.execute('DROP TABLE maintenance.incidents');
      await client.execute('DELETE FROM maintenance.migrations');
      const before = await tablesOf(newer);

      await expect(migrate(newer.target, config, job)).rejects.toMatchObject({
        code: 'SCHEMA_NEWER',
        exitCode: 2,
        message: expect.stringContaining('20991231000000000_later'),
      });

      expect(await tablesOf(newer)).toEqual(before);
      expect(await schemaState(client, config)).toBe('newer');
      await expect(requireSchema(client, config)).rejects.toMatchObject({ code: 'SCHEMA_NEWER' });
    } finally {
      await newer.drop();
    }
  });

  it('tells a schema that lacks migrations from one that is not there', async () => {
    const [set] = await migrationSets(config);
    if (set === undefined) throw new Error('There is no set.');
    const two = { ...set, names: ['1_first', '2_second'] };
    expect(judge([{ set: two, pending: ['2_second'], unknown: [] }])).toBe('older');
    expect(judge([{ set: two, pending: ['1_first', '2_second'], unknown: [] }])).toBe('missing');
    expect(judge([{ set: two, pending: ['2_second'], unknown: ['3_third'] }])).toBe('newer');
    expect(judge([{ set: two, pending: [], unknown: [] }])).toBe('current');
  });
});

describe('the schema', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  it('erases a customer’s rows with the statements of the documents', async () => {
    const client = await database.client();
    await client.execute(
      `CREATE TABLE amazon.part PARTITION OF amazon.fact_reviews FOR VALUES IN ('b1')`,
    );
    await client.execute(`INSERT INTO amazon.customer VALUES ('c1'), ('c2')`);
    await client.execute(
      `INSERT INTO amazon.review (review_id, customer_id) VALUES ('r1', 'c1'), ('r2', 'c2')`,
    );
    await client.execute(`INSERT INTO amazon.review_images VALUES ('r1', 'x'), ('r2', 'y')`);
    await client.execute(
      `INSERT INTO amazon.fact_reviews
       SELECT review, 'p1', customer, 'Lamp', 'Light', 't', 'b', rating, 1, false, NULL, false, 0, 0,
              NULL, score, false, 0, 0, 0, 0, 0, 0, 0, NULL, 'b1', now(), '1'
       FROM (VALUES ('r1', 'c1', 5, 10), ('r2', 'c2', 2, 40), ('r0', 'c2', 2, 40))
         AS given (review, customer, rating, score)`,
    );
    expect(await client.execute(`DELETE FROM amazon.fact_reviews WHERE customer_id = 'c1'`)).toBe(
      1,
    );
    expect(await client.execute(`DELETE FROM amazon.review WHERE customer_id = 'c1'`)).toBe(1);
    expect(await client.query('SELECT review_id FROM amazon.review_images')).toEqual([
      { review_id: 'r2' },
    ]);
    await client.execute('REFRESH MATERIALIZED VIEW CONCURRENTLY amazon.product_summary');
    expect(await client.query('SELECT * FROM amazon.product_summary')).toEqual([
      {
        product_id: 'p1',
        product_name: 'Lamp',
        category: 'Light',
        reviews: '2',
        average_rating: 2,
        best_review_id: 'r0',
        best_score: 40,
      },
    ]);
  });

  it('keeps the ticket table as people query it', async () => {
    const client = await database.client();
    await client.execute(
      `INSERT INTO maintenance.incidents (severity, status, batch_id, summary, owner)
       VALUES ('P1', 'open', '20260101_000000', 'down', 'ada')`,
    );
    expect(
      await client.query(
        'SELECT incident_id, closed_at, root_cause, action_taken FROM maintenance.incidents',
      ),
    ).toEqual([{ incident_id: 1, closed_at: null, root_cause: null, action_taken: null }]);
  });
});
