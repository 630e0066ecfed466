import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batchLeaseName, manifestKey } from '../../src/lake/layout.js';
import { acquireLease, listLeases } from '../../src/lake/lease.js';
import { readLayer } from '../../src/lake/published.js';
import { holdBatch, releaseBatch } from '../../src/maintenance/batch-holds.js';
import corruptBatch from '../../src/runbooks/corrupt-batch.js';
import { thisProcess } from '../../src/system/owner.js';
import { type BrokenWorld, completeBatch, makeBrokenWorld } from '../support/repairs.js';

describe('corrupt-batch', () => {
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
  /** Changes one byte in the middle: the size stays. */
  const corrupt = async (key: string) => {
    const path = join(world.root, 'data', key);
    const bytes = await readFile(path);
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] ?? 0) ^ 0xff;
    await writeFile(path, bytes);
  };
  const removed = (report: Awaited<ReturnType<BrokenWorld['repair']>>) =>
    report.plan?.targets.filter(({ type }) => type === 'object').length;

  it('finds nothing to do when every hash is right', async () => {
    const before = await world.picture();
    const report = await world.repair(corruptBatch);
    expect(report).toMatchObject({ state: 'succeeded', plan: { targets: [] } });
    expect(await world.picture()).toEqual(before);
  });

  it.each([
    ['gold', 'fact_reviews', 'model'],
    ['silver', 'review', 'transform'],
  ] as const)(
    'makes damaged %s again from its parent, and removes nothing',
    async (layer, table, from) => {
      const key = await fileOf(layer, table);
      await corrupt(key);
      const report = await world.repair(corruptBatch);
      expect(report.steps[0]?.finding).toMatchObject({
        state: 'critical',
        evidence: { damaged: { [batchId]: [layer] } },
      });
      expect(report).toMatchObject({ state: 'succeeded', exitCode: 0 });
      expect(removed(report)).toBe(0);
      expect(report.plan?.targets).toMatchObject([{ name: batchId, state: { from } }]);
    },
  );

  it('changes nothing when declined, or while somebody works on the batch', async () => {
    await corrupt(await fileOf('bronze', 'review'));
    const before = await world.picture();
    expect((await world.repair(corruptBatch, {}, { answer: 'no' })).state).toBe('aborted');
    expect(await world.picture()).toEqual(before);
    const lease = await acquireLease(world.lake, batchLeaseName(batchId), {
      owner: thisProcess(),
      now: () => new Date(),
      signal: new AbortController().signal,
    });
    const report = await world.repair(corruptBatch);
    expect(report).toMatchObject({ state: 'succeeded', plan: { targets: [] } });
    // Nobody has read it: it may be damaged, and is.
    for (const input of [{}, { batchId }]) {
      const { steps } = await world.repair(corruptBatch, input);
      expect(steps[0]?.finding).toMatchObject({ state: 'unknown' });
    }
    await lease.release();
    expect(await world.picture()).toEqual(before);
  });

  it('destroys nothing while the source cannot replace it', async () => {
    const before = await world.picture();
    await world.client.execute('ALTER TABLE amazon.review RENAME TO review_kept');
    const report = await world.repair(corruptBatch);
    expect(report).toMatchObject({ state: 'failed', plan: null });
    await world.client.execute('ALTER TABLE amazon.review_kept RENAME TO review');
    expect(await world.picture()).toEqual(before);
  });

  it('removes nothing of a batch on hold, whenever the hold came', async () => {
    const before = await world.picture();
    const options = { now: () => new Date(), signal: new AbortController().signal };
    await holdBatch(world.lake, batchId, 'case 12', options);
    const report = await world.repair(corruptBatch);
    expect(report).toMatchObject({ state: 'refused', error: { code: 'BATCH_ON_HOLD' } });
    await releaseBatch(world.lake, batchId);
    const late = await world.repair(
      corruptBatch,
      {},
      {
        ask: async () => {
          await holdBatch(world.lake, batchId, 'case 13', options);
          return { type: 'yes', by: 'ada', how: 'test' };
        },
      },
    );
    expect(late.error?.code).toBe('BATCH_ON_HOLD');
    await releaseBatch(world.lake, batchId);
    expect(await world.picture()).toEqual(before);
  });

  it('removes a batch with damaged bronze and runs it again from the source', async () => {
    const report = await world.repair(corruptBatch);
    expect(report).toMatchObject({ state: 'succeeded', exitCode: 0 });
    expect(removed(report)).toBeGreaterThan(5);
    const layers = await Promise.all(
      (['bronze', 'silver', 'gold'] as const).map((layer) => readLayer(world.lake, layer, batchId)),
    );
    expect(layers.map((layer) => layer?.manifest.generation)).toEqual([1, 1, 1]);
    const [served] = await world.client.query(
      'SELECT batch_id, count(*)::int AS n FROM amazon.fact_reviews GROUP BY 1',
    );
    expect(served).toEqual({ batch_id: batchId, n: 184 });
  });

  it('lets nobody have the batch between its removal and its rerun', async () => {
    await corrupt(await fileOf('bronze', 'review'));
    let over = false;
    const repair = world.repair(corruptBatch).finally(() => {
      over = true;
    });
    const seen = { held: 0, free: 0 };
    while (!over) {
      const gone = (await world.lake.head(manifestKey('bronze', batchId))) === undefined;
      const leases = await listLeases(world.lake, new Date());
      if (gone)
        seen[leases.some(({ name }) => name === batchLeaseName(batchId)) ? 'held' : 'free'] += 1;
      await delay(1);
    }
    expect(await repair).toMatchObject({ state: 'succeeded' });
    expect(seen).toEqual({ held: expect.toSatisfy((times: number) => times > 5), free: 0 });
  });

  it('replaces a manifest that was cut short', async () => {
    const key = manifestKey('silver', batchId);
    await world.lake.put(key, (await world.lake.read(key)).subarray(0, 100));
    const report = await world.repair(corruptBatch, { batchId });
    expect(report).toMatchObject({ state: 'succeeded', exitCode: 0 });
    expect(await readLayer(world.lake, 'silver', batchId)).toBeDefined();
  });
});
