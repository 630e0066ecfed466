import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parquetSource } from '../../../src/engine/parquet.js';
import { openEngine } from '../../../src/engine/session.js';
import { requireLayer } from '../../../src/lake/publish.js';
import { runPipeline } from '../../../src/pipeline/run.js';
import { makePrivacyWorld, type PrivacyWorld } from '../support.js';

let world: PrivacyWorld;
beforeAll(async () => {
  world = await makePrivacyWorld({ reviews: 40 });
  await world.client.execute("UPDATE amazon.review SET body = 'A text.', rating = 3");
});
afterAll(() => world.dispose());

/** Review ids of a table of a layer, with SQL that says which. */
async function reviewsIn(
  layer: 'bronze' | 'silver' | 'gold',
  batchId: string,
  table: string,
): Promise<string[]> {
  const { manifest } = await requireLayer(world.lake, layer, batchId);
  const files = manifest.tables.find(({ name }) => name === table)?.files ?? [];
  const copies = await Promise.all(files.map(({ key }) => world.lake.fetch(key, world.root)));
  const engine = await openEngine({
    memoryLimit: '128MB',
    threads: 1,
    scratch: world.root,
    signal: new AbortController().signal,
  });
  try {
    const rows = await engine.rows<{ review_id: string }>(
      `SELECT review_id FROM ${parquetSource(copies.map(({ path }) => path))} WHERE review_id LIKE 'R-%' ORDER BY 1`,
    );
    return rows.map(({ review_id }) => review_id);
  } finally {
    await engine.close();
  }
}

const served = async () =>
  (
    await world.client.query<{ review_id: string }>(
      "SELECT review_id FROM amazon.fact_reviews WHERE review_id LIKE 'R-%' ORDER BY 1",
    )
  ).map(({ review_id }) => review_id);

const everywhere = async (batchId: string) => ({
  bronze: await reviewsIn('bronze', batchId, 'review'),
  silver: await reviewsIn('silver', batchId, 'review'),
  gold: await reviewsIn('gold', batchId, 'fact_reviews'),
  served: await served(),
});

const inAll = (...ids: string[]) => ({ bronze: ids, silver: ids, gold: ids, served: ids });

const review = async (id: string, customer: string, at: Date | null) => {
  await world.client.execute(
    "INSERT INTO amazon.review VALUES ($1, $2, 'T', 'Some text', 4, true, 0, $3)",
    [id, customer, at],
  );
  await world.client.execute("INSERT INTO amazon.product_reviews VALUES ('P1', $1)", [id]);
};
const register = (customer: string, at: Date) =>
  world.client.execute('INSERT INTO amazon.customer (customer_id, created_at) VALUES ($1, $2)', [
    customer,
    at,
  ]);
const erase = async (requestId: string, customer: string) => {
  await world.request(requestId, { customer: [customer] });
  const { report } = await world.erase({ requestIds: [requestId] });
  expect([report.state, report.reason]).toEqual(['succeeded', null]);
};
const rerun = async (batchId: string, from: 'extract' | 'transform' | 'model' | 'load') =>
  runPipeline(await world.another(), { command: 'run', from, to: 'load', batchId });

describe('rule 2: a tombstone matches only records up to its time, identifier by identifier', () => {
  let batchId: string;

  it('who registers again and reviews again is kept by extract, transform, model and load', async () => {
    await erase('DSR-1', 'C7');
    await register('C7', new Date());
    await review('R-again', 'C7', new Date());
    // A review without a date is as old as the account.
    await review('R-undated', 'C7', null);
    // What somebody brings back with an old date is not of the new account.
    await review('R-old', 'C7', new Date('2025-01-01'));
    batchId = await world.batch();
    expect(await everywhere(batchId)).toEqual(inAll('R-again', 'R-undated'));
  });

  it('somebody else who is erased later takes nothing of them away', async () => {
    await review('R-other', 'C9', new Date('2025-01-01'));
    await erase('DSR-2', 'C9');
    for (const from of ['extract', 'transform', 'model', 'load'] as const) {
      await rerun(batchId, from);
      expect([from, await everywhere(batchId)]).toEqual([from, inAll('R-again', 'R-undated')]);
    }
  });

  it('who is erased twice loses what lies between, and keeps what comes after', async () => {
    await erase('DSR-3', 'C7');
    await register('C7', new Date());
    await review('R-third', 'C7', new Date());
    batchId = await world.batch();
    expect(await everywhere(batchId)).toEqual(inAll('R-third'));
    await rerun(batchId, 'transform');
    expect(await everywhere(batchId)).toEqual(inAll('R-third'));
  });

  it('a review later than the tombstone needs no account', async () => {
    await world.client.execute("DELETE FROM amazon.product_reviews WHERE review_id = 'R-third'");
    await world.client.execute("DELETE FROM amazon.review WHERE review_id = 'R-third'");
    await world.client.execute("DELETE FROM amazon.customer WHERE customer_id = 'C7'");
    // A source need not enforce what it declares.
    await world.client.execute('SET session_replication_role = replica');
    await review('R-guest', 'C7', new Date());
    await review('R-nothing', 'C7', null);
    batchId = await world.batch();
    expect(await everywhere(batchId)).toEqual(inAll('R-guest'));
  });
});
