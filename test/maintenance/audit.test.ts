import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import type { DatabaseClient } from '../../src/database/client.js';
import { auditDatabase } from '../../src/maintenance/audit/audit.js';
import { isAlarm } from '../../src/maintenance/audit/finding.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const config = configSchema.parse({});
const job = {
  report: () => undefined,
  signal: new AbortController().signal,
  now: () => new Date(),
};

let database: TestDatabase;
let client: DatabaseClient;
beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.client();
});
afterAll(() => database.drop());

const audit = () => auditDatabase(database.target, config, job);
const found = async (check: string) =>
  (await audit()).findings.filter((finding) => finding.check === check);

describe('an audit of the database', () => {
  it('finds nothing to do in what db init makes', async () => {
    const { findings, tables } = await audit();
    // Roles belong to the whole server, where other tests make some.
    expect(findings.filter((one) => isAlarm(one) && one.check !== 'grants')).toEqual([]);
    expect(tables.map(({ table }) => table)).toContain('amazon.fact_reviews');
  });

  it('finds a table without a primary key', async () => {
    await client.execute('CREATE TABLE amazon.heap (i integer)');
    expect(await found('primary-key')).toMatchObject([{ object: 'amazon.heap', state: 'warning' }]);
    await client.execute('DROP TABLE amazon.heap');
  });

  it('finds foreign keys without an index; an alarm only where it is felt', async () => {
    await client.execute(
      'CREATE TABLE amazon.note (id integer PRIMARY KEY, review_id text REFERENCES amazon.review)',
    );
    const note = async () =>
      (await found('foreign-key-index')).find(({ object }) => object.startsWith('amazon.note'));
    expect(await note()).toMatchObject({ object: 'amazon.note (review_id)', state: 'info' });
    await client.execute('INSERT INTO amazon.note SELECT i FROM generate_series(1, 10000) i');
    await client.execute('ANALYZE amazon.note');
    const finding = await note();
    expect(finding).toMatchObject({ state: 'warning' });
    await client.execute(finding?.fix ?? '');
    expect(await note()).toBeUndefined();
    await client.execute('DROP TABLE amazon.note');
  });

  it('finds duplicate and invalid indexes; of twins the one that nothing rests on', async () => {
    await client.execute('CREATE INDEX twin ON amazon.category (category_id)');
    await client.execute(
      'CREATE INDEX partial ON amazon.category (category_id) WHERE name IS NULL',
    );
    expect(await found('duplicate-index')).toMatchObject([
      { object: 'amazon.twin', problem: expect.stringContaining('category_pkey') },
    ]);
    await client.execute(
      "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'amazon.twin'::regclass",
    );
    const [invalid, ...others] = await found('invalid-index');
    expect([invalid?.object, others]).toEqual(['amazon.twin', []]);
    await client.execute(invalid?.fix ?? '');
    expect(await found('invalid-index')).toEqual([]);
    const [twin] = await found('duplicate-index');
    await client.execute(twin?.fix ?? '');
    expect(await found('duplicate-index')).toEqual([]);
  });

  describe('of rights', () => {
    const names = ['audit_analyst', 'audit_frontend', 'audit_data_engineer'];
    beforeEach(async () => {
      for (const name of names) await client.execute(`CREATE ROLE ${name}`);
      return async () => {
        for (const name of names) {
          await client.execute(`DROP OWNED BY ${name}`);
          await client.execute(`DROP ROLE ${name}`);
        }
      };
    });
    const grants = async () =>
      (await found('grants')).map(({ object, state, problem }) => [object, state, problem]);

    it('finds what is missing', async () => {
      expect((await grants()).map(([object, state]) => [object, state])).toEqual([
        ['audit_analyst', 'warning'],
        ['audit_data_engineer', 'warning'],
        ['audit_frontend', 'warning'],
      ]);
    });

    it('finds who may do too much, and its fix is one', async () => {
      await client.execute(`GRANT USAGE ON SCHEMA amazon TO ${names.join(', ')}`);
      await client.execute('GRANT SELECT ON ALL TABLES IN SCHEMA amazon TO audit_analyst');
      await client.execute(
        'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA amazon TO audit_data_engineer',
      );
      await client.execute(
        'GRANT SELECT ON amazon.fact_reviews, amazon.product_summary TO audit_frontend',
      );
      expect(await grants()).toEqual([]);
      await client.execute('GRANT DELETE ON amazon.review TO audit_analyst');
      await client.execute('GRANT SELECT ON amazon.customer TO audit_frontend');
      expect(await grants()).toEqual([
        ['audit_analyst', 'critical', 'may write, and should only read, amazon.review'],
        ['audit_frontend', 'critical', 'may read more than the best reviews: amazon.customer'],
      ]);
      for (const { fix } of await found('grants')) await client.execute(fix);
      expect(await grants()).toEqual([]);
    });

    it('finds what everybody may do', async () => {
      await client.execute('GRANT SELECT ON amazon.customer TO PUBLIC');
      const [finding] = await found('public-grants');
      expect(finding).toMatchObject({ object: 'amazon.customer', state: 'critical' });
      await client.execute(finding?.fix ?? '');
      expect(await found('public-grants')).toEqual([]);
    });
  });
});
