import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batchPrefix, manifestKey } from '../../src/lake/layout.js';
import { readLayer } from '../../src/lake/published.js';
import silverMissing from '../../src/runbooks/silver-missing.js';
import { type BrokenWorld, completeBatch, makeBrokenWorld } from '../support/repairs.js';

describe('silver-missing', () => {
  let world: BrokenWorld;
  let batchId: string;
  beforeAll(async () => {
    world = await makeBrokenWorld({ reviews: 200 });
    batchId = await completeBatch(world);
  });
  afterAll(() => world.dispose());

  const loseSilver = async () => {
    for (const layer of ['silver', 'gold'] as const) {
      const keys: string[] = [];
      for await (const { key } of world.lake.list(batchPrefix(layer, batchId))) keys.push(key);
      await world.lake.remove(keys);
    }
  };

  it('finds nothing to do in a healthy lake, and does nothing', async () => {
    const before = await world.picture();
    const report = await world.repair(silverMissing);
    expect(report).toMatchObject({ state: 'succeeded', plan: { targets: [] } });
    expect(report.steps.find(({ id }) => id === 'rerun')?.state).toBe('skipped');
    expect(await world.picture()).toEqual(before);
  });

  it('changes nothing when declined', async () => {
    await loseSilver();
    const before = await world.picture();
    const report = await world.repair(silverMissing, {}, { answer: 'no' });
    expect(report).toMatchObject({ state: 'aborted', exitCode: 3 });
    expect(report.plan?.targets.map(({ name }) => name)).toEqual([batchId]);
    expect(await world.picture()).toEqual(before);
  });

  it('runs transform, model and load of the batch again, and proves it', async () => {
    const report = await world.repair(silverMissing);
    expect(report).toMatchObject({ state: 'succeeded', exitCode: 0 });
    const find = report.steps.find(({ id }) => id === 'find');
    expect(find?.finding).toMatchObject({ state: 'critical', evidence: { batches: [batchId] } });
    expect(await readLayer(world.lake, 'silver', batchId)).toBeDefined();
    const [served] = await world.client.query(
      'SELECT batch_id, count(*)::int AS n FROM amazon.fact_reviews GROUP BY 1',
    );
    expect(served).toEqual({ batch_id: batchId, n: 184 });
  });

  it('leads to the damage when bronze cannot be used', async () => {
    await loseSilver();
    const bronze = await readLayer(world.lake, 'bronze', batchId);
    const file = bronze?.manifest.tables.find(({ name }) => name === 'review')?.files[0];
    await world.lake.remove([file?.key ?? '']);
    const report = await world.repair(silverMissing);
    expect(report.branch).toMatchObject({ runbook: 'corrupt-batch', input: { batchId } });
    expect(await world.lake.head(manifestKey('silver', batchId))).toBeUndefined();
  });
});
