import { open } from 'node:fs/promises';
import { afterEach, expect, it } from 'vitest';
import type { Layer } from '../../src/lake/lake.js';
import { load } from '../../src/pipeline/load.js';
import { model } from '../../src/pipeline/model.js';
import { transform } from '../../src/pipeline/transform.js';
import { createTestDatabase } from '../support/database.js';
import { makeStageWorld, type StageWorld } from '../support/stage.js';

const batchId = '20260102_030405';
const bronze = {
  review: `SELECT 'R' || i AS review_id, 'C1' AS customer_id, 'Title' AS title, md5(CAST(i AS VARCHAR)) AS body,
    5 AS rating, true AS verified_purchase, 1 AS helpful_votes, TIMESTAMPTZ '2025-01-01 00:00:00+00' AS created_at
    FROM range(500) t(i)`,
  product_reviews: "SELECT 'R' || i AS review_id, 'P1' AS product_id FROM range(500) t(i)",
};

let world: StageWorld;
afterEach(() => world.dispose());

/** Changes one bit in the middle of the table's file, among its values. */
async function flip(layer: Layer, table: string): Promise<void> {
  const manifest = await world.manifest(layer, batchId);
  const [file] = manifest.tables.find(({ name }) => name === table)?.files ?? [];
  const { path } = await world.context.lake.fetch(file?.key ?? '', world.context.scratch);
  const handle = await open(path, 'r+');
  try {
    const place = Math.floor((file?.bytes ?? 0) / 2);
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, place);
    byte.writeUInt8(byte.readUInt8() ^ 4);
    await handle.write(byte, 0, 1, place);
  } finally {
    await handle.close();
  }
}

it('makes nothing of a file that changed by one bit', async () => {
  const database = await createTestDatabase();
  try {
    world = await makeStageWorld({ database: database.target });
    const { context } = world;
    const refusal = (key: string) => ({
      code: 'FILE_CORRUPT',
      message: expect.stringContaining(key),
      hint: expect.stringContaining(`batch verify ${batchId}`),
    });
    await world.publishBronze(batchId, bronze);
    await transform(context, batchId);
    await model(context, batchId);

    await flip('gold', 'fact_reviews');
    await expect(load(context, batchId, { unlessNewer: false })).rejects.toMatchObject(
      refusal(`gold/batch=${batchId}/fact_reviews`),
    );
    const client = await database.client();
    expect(await client.query('SELECT FROM amazon.fact_reviews')).toEqual([]);

    await flip('silver', 'review');
    const gold = await world.manifest('gold', batchId);
    await expect(model(context, batchId)).rejects.toMatchObject(
      refusal(`silver/batch=${batchId}/review`),
    );
    expect(await world.manifest('gold', batchId)).toEqual(gold);

    await flip('bronze', 'review');
    const silver = await world.manifest('silver', batchId);
    await expect(transform(context, batchId)).rejects.toMatchObject(
      refusal(`bronze/batch=${batchId}/review`),
    );
    expect(await world.manifest('silver', batchId)).toEqual(silver);
  } finally {
    await database.drop();
  }
});
