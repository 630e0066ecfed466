import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCertificate } from '../../../src/privacy/certificate.js';
import { makePrivacyWorld, type PrivacyWorld, parquetRows, putParquet } from '../support.js';

let world: PrivacyWorld;
beforeAll(async () => {
  world = await makePrivacyWorld({
    reviews: 20,
    settings: {
      privacy: {
        links: [{ from: 'visit.customer_id', to: 'customer.customer_id' }],
        tables: { visit: { columns: { '*': 'personal' }, rows: 'delete' } },
      },
    },
  });
  await world.client.execute(
    'CREATE TABLE amazon.visit (customer_id text, place point, seen tsrange, raw bytea, tags text[], extra jsonb, amount numeric)',
  );
  await world.client.execute(
    `INSERT INTO amazon.visit SELECT id, '(1,2)', '[2025-01-01,2025-01-02)', '\\x00ff', '{a,b}', '{"k": [1]}', 1.5
     FROM unnest(ARRAY['C7', 'C7', 'C70', NULL]) AS id`,
  );
  await world.batch();
});
afterAll(() => world.dispose());

const eraseBy = async (requestId: string, customer: string) => {
  await world.request(requestId, { customer: [customer] });
  return (await world.erase({ requestIds: [requestId] })).report;
};

describe('where people are in an unusual form', () => {
  it('rule 7: equal rows of a table without a primary key, of types that nothing can compare, go; the others stay', async () => {
    const report = await eraseBy('DSR-1', 'C7');
    expect([report.state, report.reason]).toEqual(['succeeded', null]);
    expect(
      await world.client.query('SELECT customer_id AS id FROM amazon.visit ORDER BY 1'),
    ).toEqual([{ id: 'C70' }, { id: null }]);
    const { database } = await readCertificate(world.lake, 'DSR-1');
    expect(database.tables).toContainEqual({ table: 'amazon.visit', rows: 2, action: 'delete' });
  });

  it('rule 8: files without a row and without a byte are read, and stay as they are', async () => {
    const empty = 'bronze/batch=20260101_000000/review.parquet';
    await putParquet(
      world,
      empty,
      `SELECT 'R' AS review_id, 'C9' AS customer_id, 'T' AS title, 'B' AS body WHERE false`,
    );
    const names = ['a.csv', 'b.tsv', 'c.jsonl', 'd.json', 'e.txt'].map((name) => `raw/${name}`);
    for (const key of names) await world.lake.put(key, '');
    await world.lake.put('raw/head.csv', 'customer_id,title\n');
    const before = await world.lake.read(empty);
    const report = await eraseBy('DSR-2', 'C9');
    expect([report.state, report.reason]).toEqual(['succeeded', null]);
    expect(await world.lake.read(empty)).toEqual(before);
    expect(await parquetRows(world, empty, 'true')).toBe(0);
    for (const key of names) expect((await world.lake.read(key)).length).toBe(0);
    expect((await world.lake.read('raw/head.csv')).toString()).toBe('customer_id,title\n');
    expect(await readCertificate(world.lake, 'DSR-2')).toMatchObject({
      state: 'provisional',
      verification: { unread: [] },
    });
  });

  it('must hold: the database that goes away in the middle has changed nothing, and the same request ends well', async () => {
    const { client } = world;
    // Another session holds the row, so that the deletion waits; then its own session is ended.
    const other = await world.database.client();
    await other.execute('BEGIN');
    await other.query("SELECT FROM amazon.customer WHERE customer_id = 'C5' FOR UPDATE");
    await world.request('DSR-3', { customer: ['C5'] });
    const running = world.erase({ requestIds: ['DSR-3'] });
    await expect
      .poll(
        async () =>
          (
            await client.query(
              `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'DELETE%'`,
            )
          ).length,
        { timeout: 60_000 },
      )
      .toBe(1);
    const { report } = await running;
    expect(report).toMatchObject({ state: 'failed', changed: true });
    const left = await client.query("SELECT FROM amazon.orders WHERE buyer_id = 'C5'");
    expect(left).toHaveLength(1);
    await other.execute('ROLLBACK');
    const resumed = await world.resume(report.runId);
    expect([resumed.report.state, resumed.report.reason]).toEqual(['succeeded', null]);
    expect(await client.query("SELECT FROM amazon.customer WHERE customer_id = 'C5'")).toEqual([]);
    expect(await readCertificate(world.lake, 'DSR-3')).toMatchObject({ state: 'provisional' });
  });
});
