import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Key } from '../../src/lake/lake.js';
import { batchPrefix, manifestKey } from '../../src/lake/layout.js';
import { readLayer } from '../../src/lake/published.js';
import { verifyBatch } from '../../src/lake/verify.js';
import { loadRunbook } from '../../src/runbooks/index.js';
import { type BrokenWorld, completeBatch, makeBrokenWorld } from '../support/repairs.js';
import { rewriteLayer } from '../support/rewrite.js';

/**
 * Each runbook that acts on the pipeline's data, killed (SIGKILL, in a process of its own) from the
 * plan on, and resumed by another process.
 */
describe('a repair that was killed is completed by resuming it', () => {
  let world: BrokenWorld;
  let batchId: string;
  beforeAll(async () => {
    world = await makeBrokenWorld({ reviews: 100 });
    batchId = await completeBatch(world);
  });
  afterAll(() => world.dispose());

  const fileOf = async (layer: 'bronze' | 'gold', table: string): Promise<Key> =>
    (await readLayer(world.lake, layer, batchId))?.manifest.tables.find(
      ({ name }) => name === table,
    )?.files[0]?.key ?? '';
  const lose = async (...layers: ('silver' | 'gold')[]) => {
    for (const layer of layers) {
      const keys: Key[] = [];
      for await (const { key } of world.lake.list(batchPrefix(layer, batchId))) keys.push(key);
      await world.lake.remove(keys);
    }
  };

  /** How each kind of damage is done. */
  const breaks: Record<string, () => Promise<unknown>> = {
    'silver-missing': () => lose('silver', 'gold'),
    'gold-incomplete': () => world.lake.remove([manifestKey('gold', batchId)]),
    'parquet-not-found': async () => world.lake.remove([await fileOf('gold', 'fact_reviews')]),
    'model-crash': () =>
      rewriteLayer(world, 'silver', batchId, 'review', 'SELECT * EXCLUDE (body) FROM layer'),
    'corrupt-batch': async () => {
      const path = join(world.root, 'data', await fileOf('bronze', 'review'));
      const bytes = await readFile(path);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff;
      await writeFile(path, bytes);
    },
    'inconsistent-rows': () =>
      world.client.execute("UPDATE amazon.fact_reviews SET review_id = 'x' || review_id"),
    'relation-not-found': () => world.client.execute('DROP TABLE amazon.order_items'),
  };

  /** All that the repairs are for. */
  const expectWhole = async () => {
    const { state, findings } = await verifyBatch(world.lake, batchId, {
      scratch: await world.services.scratch(),
      signal: new AbortController().signal,
      report: () => undefined,
      now: () => new Date(),
    });
    expect([state, findings]).toEqual(['complete', []]);
    const [row] = await world.client.query(
      `SELECT (SELECT count(*)::int FROM amazon.fact_reviews) AS facts,
              (SELECT sum(reviews)::int FROM amazon.product_summary) AS summary,
              to_regclass('amazon.order_items') IS NOT NULL AS items`,
    );
    expect(row).toEqual({ facts: 92, summary: 92, items: true });
  };

  const acts: Record<string, string[]> = {
    'relation-not-found': ['recreate'],
  };
  /** The middle of each act; repair-matrix.test.ts has every transition of the journal. */
  const points = Object.keys(breaks).flatMap((id) =>
    (acts[id] ?? ['rerun']).flatMap((act) => [
      ...(act === 'recreate' ? [{ id, dieAt: { type: 'act.started', step: act, nth: 1 } }] : []),
      // What stages report comes out as each ends; objects go one by one.
      ...(act === 'rerun' ? [{ id, dieAt: { type: 'output', step: act, nth: 1 } }] : []),
      ...(id === 'corrupt-batch' ? [{ id, dieAt: { type: 'progress', step: act, nth: 3 } }] : []),
    ]),
  );

  it.each(points)('$id, killed at $dieAt.type of $dieAt.step', async ({ id, dieAt }) => {
    const runbook = await loadRunbook(id);
    await breaks[id]?.();
    const report = await world.crash(runbook, dieAt);
    expect(report).toMatchObject({ state: 'succeeded', runbook: id });
    await expectWhole();
    const again = await world.repair(runbook);
    expect(again).toMatchObject({ state: 'succeeded', plan: { targets: [] } });
  });

  it('killed before the approval, has changed nothing and starts over', async () => {
    await lose('gold');
    const before = await world.picture();
    const runbook = await loadRunbook('gold-incomplete');
    const crashed = await world.crash(runbook, { type: 'plan.made', nth: 1 }, {}, 'no');
    expect(crashed?.state).toBe('aborted');
    expect(await world.picture()).toEqual(before);
    expect((await world.repair(runbook)).state).toBe('succeeded');
    await expectWhole();
  });
});
