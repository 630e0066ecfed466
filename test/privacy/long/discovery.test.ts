import { afterAll, beforeAll, expect, it } from 'vitest';
import { readCertificate } from '../../../src/privacy/certificate.js';
import { makePrivacyWorld, type PrivacyWorld, putParquet } from '../support.js';

let world: PrivacyWorld;
beforeAll(async () => {
  world = await makePrivacyWorld({
    reviews: 20,
    settings: {
      privacy: {
        links: [
          { from: 'parcel.review_id', to: 'review.review_id' },
          { from: 'parcel_note.parcel_id', to: 'parcel.parcel_id' },
          { from: 'parcel.after', to: 'parcel.parcel_id' },
        ],
        tables: {
          parcel: { columns: { '*': 'none' }, rows: 'delete' },
          parcel_note: { columns: { '*': 'none' }, rows: 'delete' },
        },
        files: [
          {
            match: 'raw/parcels.jsonl',
            columns: { '*': 'none' },
            identifiers: { parcel: 'parcel.parcel_id' },
          },
        ],
      },
    },
  });
});
afterAll(() => world.dispose());

it('rule 3, discover: links that lead from the lake into the database and back are followed to a closed set', async () => {
  const { client, lake } = world;
  await client.execute(
    'CREATE TABLE amazon.parcel (parcel_id text PRIMARY KEY, review_id text, after text)',
  );
  await client.execute('CREATE TABLE amazon.parcel_note (parcel_id text, note_id text)');
  await world.batch();
  // Only the lake knows any more that this review is the person's.
  const [review] = await client.query<{ review_id: string }>(
    "SELECT review_id FROM amazon.review WHERE customer_id = 'C7' ORDER BY 1 LIMIT 1",
  );
  const reviewId = review?.review_id;
  for (const table of ['review_images', 'product_reviews', 'fact_reviews', 'review']) {
    await client.execute(`DELETE FROM amazon.${table} WHERE review_id = $1`, [reviewId]);
  }
  await client.execute(
    "INSERT INTO amazon.parcel VALUES ('parcel-1', $1, NULL), ('parcel-2', 'R0', NULL)",
    [reviewId],
  );
  await client.execute(
    "INSERT INTO amazon.parcel_note VALUES ('parcel-1', 'n1'), ('parcel-1', 'n2'), ('parcel-2', 'n3')",
  );
  // Only the database knows that this parcel is the person's.
  await lake.put('raw/parcels.jsonl', '{"parcel":"parcel-1"}\n{"parcel":"parcel-2"}\n');
  await world.request('DSR-1', { customer: ['C7'] });
  const { report } = await world.erase({ requestIds: ['DSR-1'] });
  expect([report.state, report.reason]).toEqual(['succeeded', null]);
  expect(await client.query('SELECT parcel_id FROM amazon.parcel')).toEqual([
    { parcel_id: 'parcel-2' },
  ]);
  expect(await client.query('SELECT note_id FROM amazon.parcel_note')).toEqual([{ note_id: 'n3' }]);
  expect((await lake.read('raw/parcels.jsonl')).toString()).toBe('{"parcel":"parcel-2"}\n');
  expect(await readCertificate(lake, 'DSR-1')).toMatchObject({
    state: 'provisional',
    remaining: [],
  });
});

it('rule 3, discover: links that never seem to end ask a person, and nothing is touched', async () => {
  const { client, lake } = world;
  // One parcel leads to the next; every other one is only in the lake.
  const chain = (rows: string, from: string) =>
    `SELECT 'chain-' || i AS parcel_id, ${rows} AS review_id, 'chain-' || (i - 1) AS after FROM ${from}`;
  await client.execute(
    `INSERT INTO amazon.parcel ${chain("CASE i WHEN 0 THEN 'R1' END", 'generate_series(0, 60, 2) i')}`,
  );
  const key = 'bronze/batch=20260101_000000/parcel.parquet';
  await putParquet(world, key, chain('NULL::varchar', 'range(1, 60, 2) t (i)'));
  const [owner] = await client.query<{ customer_id: string }>(
    "SELECT customer_id FROM amazon.review WHERE review_id = 'R1'",
  );
  await world.request('DSR-2', { customer: [owner?.customer_id ?? ''] });
  const before = await lake.read(key);
  const { report } = await world.erase({ requestIds: ['DSR-2'] });
  expect(report).toMatchObject({
    state: 'refused',
    changed: false,
    error: { code: 'LINKS_ENDLESS', exitCode: 3 },
  });
  expect(await lake.read(key)).toEqual(before);
  expect(await client.query("SELECT FROM amazon.parcel WHERE parcel_id ~ 'chain'")).toHaveLength(
    31,
  );
});
