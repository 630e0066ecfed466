import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import rejectRate from '../../src/runbooks/reject-rate.js';
import { type BrokenWorld, completeBatch, makeBrokenWorld } from '../support/repairs.js';

describe('reject-rate', () => {
  let world: BrokenWorld;
  beforeAll(async () => {
    world = await makeBrokenWorld({
      reviews: 200,
      settings: { pipeline: { rejectWarningPercent: 15, rejectCriticalPercent: 20 } },
    });
    await completeBatch(world);
  });
  afterAll(() => world.dispose());

  const finding = (report: Awaited<ReturnType<BrokenWorld['repair']>>, id: string) =>
    report.steps.find((step) => step.id === id)?.finding;

  it('finds a usual rate usual, and changes nothing', async () => {
    const before = await world.picture();
    const report = await world.repair(rejectRate);
    expect(report).toMatchObject({ state: 'succeeded', branch: null });
    expect(finding(report, 'rate')).toMatchObject({
      state: 'ok',
      evidence: { judged: 200, rejected: 16 },
    });
    expect(finding(report, 'examples')).toBeUndefined();
    expect(await world.picture()).toEqual(before);
  });

  it('names the rule that grew, with ids and without texts, and asks for a decision', async () => {
    await world.client.execute(
      'UPDATE amazon.review SET rating = 9 WHERE substr(review_id, 2)::int % 3 = 0',
    );
    await completeBatch(world);
    const said: string[] = [];
    const report = await world.repair(
      rejectRate,
      {},
      {
        ask: async (question) => {
          if (question.type === 'manual') said.push(question.instruction);
          return { type: 'done', by: 'ada', said: 'the source is told' };
        },
      },
    );
    expect(report.state).toBe('succeeded');
    expect(finding(report, 'rate')?.state).toBe('critical');
    expect(finding(report, 'growth')?.state).toBe('warning');
    expect(finding(report, 'rules')).toMatchObject({
      state: 'warning',
      evidence: { worst: 'rating_out_of_range' },
    });
    const examples = finding(report, 'examples')?.evidence?.examples as Record<string, string[]>;
    expect(examples.rating_out_of_range).toHaveLength(5);
    expect(JSON.stringify(report)).not.toMatch(/Review text|"C\d/);
    expect(said.join()).toMatch(/rating_out_of_range.*scale/s);
  });

  it('leads to the missing links when every review is rejected for them', async () => {
    await world.client.execute('UPDATE amazon.review SET rating = 5, body = review_id');
    await world.client.execute('DELETE FROM amazon.product_reviews');
    await completeBatch(world);
    const report = await world.repair(rejectRate);
    expect(report.branch).toMatchObject({ runbook: 'relation-not-found' });
  });

  it('leads to the missing silver where there is nothing to judge by', async () => {
    const empty = await makeBrokenWorld({ reviews: 1 });
    const report = await empty.repair(rejectRate);
    expect(report.branch).toMatchObject({ runbook: 'silver-missing' });
    await empty.dispose();
  });
});
