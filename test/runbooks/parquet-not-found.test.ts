import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readLayer } from '../../src/lake/published.js';
import parquetNotFound from '../../src/runbooks/parquet-not-found.js';
import { type BrokenWorld, completeBatch, makeBrokenWorld } from '../support/repairs.js';

describe('parquet-not-found', () => {
  let world: BrokenWorld;
  let batchId: string;
  beforeAll(async () => {
    world = await makeBrokenWorld({ reviews: 200 });
    batchId = await completeBatch(world);
  });
  afterAll(() => world.dispose());

  const fileOf = async (layer: 'bronze' | 'silver' | 'gold', table: string) =>
    (await readLayer(world.lake, layer, batchId))?.manifest.tables.find(
      ({ name }) => name === table,
    )?.files[0]?.key ?? '';

  it('finds nothing to do when every file is there', async () => {
    const before = await world.picture();
    const report = await world.repair(parquetNotFound);
    expect(report).toMatchObject({ state: 'succeeded', plan: { targets: [] }, branch: null });
    expect(await world.picture()).toEqual(before);
  });

  it('names the nearest ids for a wrong one, and stops there', async () => {
    const wrong = `${batchId.slice(0, 8)}_000000`;
    const report = await world.repair(parquetNotFound, { batchId: wrong });
    expect(report).toMatchObject({ state: 'failed', plan: null });
    expect(report.reason).toContain(batchId);
  });

  it.each([
    ['gold', 'fact_reviews', 'model'],
    ['silver', 'review', 'transform'],
    ['bronze', 'review', 'extract'],
  ] as const)(
    'a lost file of %s: runs the batch again from its stage',
    async (layer, table, from) => {
      const key = await fileOf(layer, table);
      await world.lake.remove([key]);
      const before = await world.picture();
      expect((await world.repair(parquetNotFound, {}, { answer: 'no' })).state).toBe('aborted');
      expect(await world.picture()).toEqual(before);
      const report = await world.repair(parquetNotFound);
      expect(report).toMatchObject({ state: 'succeeded', exitCode: 0 });
      expect(report.steps[1]?.finding?.evidence).toEqual({ files: [key] });
      expect(report.plan?.targets).toMatchObject([{ name: batchId, state: { from, to: 'load' } }]);
      expect(await world.lake.head(await fileOf(layer, table))).toBeDefined();
    },
  );

  it('repairs an old batch without loading it over a later one', async () => {
    const newer = await completeBatch(world);
    await world.lake.remove([await fileOf('gold', 'fact_reviews')]);
    const report = await world.repair(parquetNotFound);
    expect(report.plan?.targets).toMatchObject([{ name: batchId, state: { to: 'model' } }]);
    expect(report.state).toBe('succeeded');
    expect(await world.client.query('SELECT batch_id FROM maintenance.fact_loads')).toEqual([
      { batch_id: newer },
    ]);
  });
});
