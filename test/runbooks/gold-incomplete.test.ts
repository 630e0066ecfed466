import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { manifestKey } from '../../src/lake/layout.js';
import { readLayer } from '../../src/lake/published.js';
import goldIncomplete from '../../src/runbooks/gold-incomplete.js';
import { type BrokenWorld, completeBatch, makeBrokenWorld } from '../support/repairs.js';
import { rewriteLayer } from '../support/rewrite.js';

describe('gold-incomplete', () => {
  let world: BrokenWorld;
  let batchId: string;
  beforeAll(async () => {
    world = await makeBrokenWorld({ reviews: 200 });
    batchId = await completeBatch(world);
  });
  afterAll(() => world.dispose());

  const served = async () =>
    (
      await world.client.query(
        'SELECT count(*)::int AS n, count(score)::int AS scores FROM amazon.fact_reviews',
      )
    )[0];
  const goldRows = async () =>
    (await readLayer(world.lake, 'gold', batchId))?.manifest.tables[0]?.rows;

  it('finds nothing to do when gold is as complete as silver and served', async () => {
    const before = await world.picture();
    const report = await world.repair(goldIncomplete);
    expect(report).toMatchObject({ state: 'succeeded', plan: { targets: [] }, branch: null });
    expect(await world.picture()).toEqual(before);
  });

  it('does not call a row missing whose review was erased from the source', async () => {
    await world.client.execute("DELETE FROM amazon.fact_reviews WHERE review_id = 'R1'");
    await world.client.execute("DELETE FROM amazon.review WHERE review_id = 'R1'");
    const report = await world.repair(goldIncomplete);
    expect(report).toMatchObject({ state: 'succeeded', plan: { targets: [] } });
  });

  it.each([
    ['rows', 'SELECT * FROM layer WHERE score < 50'],
    ['scores', "SELECT * REPLACE (CAST('NaN' AS DOUBLE) AS score) FROM layer"],
    [
      'values',
      "SELECT * REPLACE (CASE WHEN review_id = 'R2' THEN NULL ELSE score END AS score) FROM layer",
    ],
  ])('scores silver again when gold lacks %s', async (_what, query) => {
    await rewriteLayer(world, 'gold', batchId, 'fact_reviews', query);
    const before = await world.picture();
    expect((await world.repair(goldIncomplete, {}, { answer: 'no' })).state).toBe('aborted');
    expect(await world.picture()).toEqual(before);
    const report = await world.repair(goldIncomplete);
    expect(report).toMatchObject({ state: 'succeeded', exitCode: 0 });
    expect(report.steps.find(({ id }) => id === 'gold')?.finding?.state).toBe('critical');
    expect(report.plan?.targets).toMatchObject([{ name: batchId, state: { from: 'model' } }]);
    expect(await goldRows()).toBe(184);
    expect(await served()).toEqual({ n: 183, scores: 183 });
  });

  it('makes gold that is not there', async () => {
    await world.lake.remove([manifestKey('gold', batchId)]);
    expect((await world.repair(goldIncomplete, { batchId })).state).toBe('succeeded');
    expect(await goldRows()).toBe(184);
  });

  it('loads again, without scoring again, when only the table lost rows', async () => {
    const generation = (await readLayer(world.lake, 'gold', batchId))?.manifest.generation;
    await world.client.execute('DELETE FROM amazon.fact_reviews WHERE score > 40');
    const report = await world.repair(goldIncomplete);
    expect(report.plan?.targets).toMatchObject([{ name: batchId, state: { from: 'load' } }]);
    expect(report.state).toBe('succeeded');
    expect((await readLayer(world.lake, 'gold', batchId))?.manifest.generation).toBe(generation);
    expect(await served()).toEqual({ n: 183, scores: 183 });
  });

  it('leads to the missing silver', async () => {
    const gold = manifestKey('gold', batchId);
    await world.lake.remove([gold, manifestKey('silver', batchId)]);
    const report = await world.repair(goldIncomplete);
    expect(report.branch).toMatchObject({ runbook: 'silver-missing', input: { batchId } });
  });
});
