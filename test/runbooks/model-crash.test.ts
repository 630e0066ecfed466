import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { readLayer } from '../../src/lake/published.js';
import { runPipeline } from '../../src/pipeline/run.js';
import modelCrash from '../../src/runbooks/model-crash.js';
import { type BrokenWorld, completeBatch, makeBrokenWorld } from '../support/repairs.js';
import { rewriteLayer } from '../support/rewrite.js';

describe('model-crash', () => {
  let world: BrokenWorld;
  let batchId: string;
  beforeAll(async () => {
    world = await makeBrokenWorld({ reviews: 200 });
    batchId = await completeBatch(world);
  });
  afterAll(() => world.dispose());

  it('finds nothing to do when silver has all columns', async () => {
    const before = await world.picture();
    const report = await world.repair(modelCrash);
    expect(report).toMatchObject({ state: 'succeeded', plan: { targets: [] }, branch: null });
    expect(await world.picture()).toEqual(before);
  });

  it('makes silver again that lacks columns, after the model really crashed on it', async () => {
    await rewriteLayer(
      world,
      'silver',
      batchId,
      'review',
      'SELECT * EXCLUDE (helpful_votes, body) FROM layer',
    );
    await expect(
      runPipeline(await world.another(), { command: 'model', batchId, from: 'model', to: 'model' }),
    ).rejects.toMatchObject({ code: 'SILVER_INCOMPLETE' });
    const before = await world.picture();
    expect((await world.repair(modelCrash, {}, { answer: 'no' })).state).toBe('aborted');
    expect(await world.picture()).toEqual(before);
    const report = await world.repair(modelCrash);
    expect(report).toMatchObject({ state: 'succeeded', exitCode: 0 });
    expect(report.steps.find(({ id }) => id === 'columns')?.finding?.evidence).toEqual({
      columns: [`${batchId}: body`, `${batchId}: helpful_votes`],
    });
    const silver = await readLayer(world.lake, 'silver', batchId);
    expect(silver?.manifest.tables[0]?.columns.map(({ name }) => name)).toContain('helpful_votes');
  });

  it('extracts again when bronze lost the column, too', async () => {
    await rewriteLayer(
      world,
      'bronze',
      batchId,
      'review',
      'SELECT * EXCLUDE (helpful_votes) FROM layer',
    );
    await rewriteLayer(
      world,
      'silver',
      batchId,
      'review',
      'SELECT * EXCLUDE (helpful_votes) FROM layer',
    );
    const report = await world.repair(modelCrash);
    expect(report.plan?.targets).toMatchObject([{ name: batchId, state: { from: 'extract' } }]);
    expect(report.state).toBe('succeeded');
  });

  it('says which setting to correct when the source has no such column', async () => {
    await rewriteLayer(
      world,
      'bronze',
      batchId,
      'review',
      'SELECT * EXCLUDE (helpful_votes) FROM layer',
    );
    await world.client.execute('ALTER TABLE amazon.review RENAME helpful_votes TO votes');
    const before = await world.picture();
    const report = await world.repair(modelCrash);
    expect(report).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/review\.helpful_votes.*source\.entities/),
    });
    expect(await world.picture()).toEqual(before);
  });

  it('refuses weights that do not add up, in words', async () => {
    const config = configSchema.parse({ pipeline: { score: { weights: { length: 0.99 } } } });
    const services = { ...world.services, config };
    const report = await world.repair(modelCrash, {}, { services });
    expect(report).toMatchObject({ state: 'failed', reason: expect.stringMatching(/add up to/) });
  });
});
