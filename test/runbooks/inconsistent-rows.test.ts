import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import inconsistentRows from '../../src/runbooks/inconsistent-rows.js';
import { type BrokenWorld, completeBatch, makeBrokenWorld } from '../support/repairs.js';

describe('inconsistent-rows', () => {
  let world: BrokenWorld;
  let batchId: string;
  beforeAll(async () => {
    world = await makeBrokenWorld({ reviews: 200 });
    batchId = await completeBatch(world);
  });
  afterAll(() => world.dispose());

  const rowsFinding = (report: Awaited<ReturnType<BrokenWorld['repair']>>) =>
    report.steps.find(({ id }) => id === 'rows')?.finding;
  const difference = async () =>
    (
      await world.client.query<{ n: number }>(
        `SELECT abs((SELECT sum(reviews) FROM amazon.product_summary) - (SELECT count(*) FROM amazon.fact_reviews))::int AS n`,
      )
    )[0]?.n;

  it('finds nothing to do when gold, table, source and view agree', async () => {
    const before = await world.picture();
    const report = await world.repair(inconsistentRows);
    expect(report).toMatchObject({ state: 'succeeded', plan: { targets: [] }, branch: null });
    const states = report.steps.flatMap(({ finding }) => finding?.state ?? []);
    expect(new Set(states)).toEqual(new Set(['ok']));
    expect(await world.picture()).toEqual(before);
  });

  it('refreshes a view that is out of date, and loads nothing', async () => {
    await world.client.execute(`
      UPDATE amazon.fact_reviews SET score = score + 1`);
    const report = await world.repair(inconsistentRows);
    expect(report.plan?.targets).toMatchObject([{ type: 'view', name: 'amazon.product_summary' }]);
    expect(report).toMatchObject({ state: 'succeeded' });
    expect(report.steps.find(({ id }) => id === 'refresh')?.data).toEqual({
      refreshed: { product_summary: 'concurrently' },
    });
  });

  it('removes orphans, strangers and gaps by loading again', async () => {
    await world.client.execute("DELETE FROM amazon.review WHERE review_id = 'R7'");
    await world.client.execute("DELETE FROM amazon.fact_reviews WHERE review_id = 'R8'");
    await world.client.execute(
      "UPDATE amazon.fact_reviews SET review_id = 'nobody' WHERE review_id = 'R9'",
    );
    const before = await world.picture();
    expect((await world.repair(inconsistentRows, {}, { answer: 'no' })).state).toBe('aborted');
    expect(await world.picture()).toEqual(before);
    const report = await world.repair(inconsistentRows);
    expect(rowsFinding(report)).toMatchObject({
      state: 'critical',
      evidence: { batchId, missing: 2, extra: 1, orphans: 2 },
    });
    expect(report).toMatchObject({ state: 'succeeded', exitCode: 0 });
    const [row] = await world.client.query(
      `SELECT count(*)::int AS n, count(*) FILTER (WHERE review_id IN ('R7', 'nobody'))::int AS bad FROM amazon.fact_reviews`,
    );
    expect(row).toEqual({ n: 183, bad: 0 });
    expect(await difference()).toBe(0);
  });

  it('fills a table that was emptied', async () => {
    await world.client.execute('TRUNCATE amazon.fact_reviews, maintenance.fact_loads');
    const report = await world.repair(inconsistentRows);
    expect(report).toMatchObject({ state: 'succeeded' });
    expect(rowsFinding(report)?.evidence).toMatchObject({ missing: 183, servedRows: 0 });
    expect(await difference()).toBe(0);
  });

  it('leads to the missing table', async () => {
    await world.client.execute('DROP TABLE amazon.fact_reviews CASCADE');
    const report = await world.repair(inconsistentRows);
    expect(report.branch).toMatchObject({ runbook: 'relation-not-found' });
  });
});
