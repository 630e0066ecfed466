import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lastRuns } from '../../src/pipeline/history.js';
import { runPipeline } from '../../src/pipeline/run.js';
import { makeWorld, type World } from '../support/world.js';

const whole = { command: 'run', from: 'extract', to: 'load' } as const;

describe('runPipeline, many at once and on a slow database', () => {
  let world: World;
  beforeEach(async () => {
    world = await makeWorld();
  });
  afterEach(() => world.dispose());

  it('is in the history as it ended, also where the database takes its time to wake up', async () => {
    const { batchId } = await runPipeline(world.environment, { ...whole, to: 'transform' });
    const drowsy = await world.another();
    const { database } = drowsy;
    drowsy.database = async () => {
      await delay(1_300);
      return database();
    };
    await runPipeline(drowsy, { command: 'model', from: 'model', to: 'model', batchId });
    const history = await lastRuns(
      {
        target: world.database.target,
        settings: world.environment.config.database,
        signal: new AbortController().signal,
      },
      50,
    );
    expect(history[0]).toMatchObject({ command: 'model', status: 'succeeded' });
  });

  it('runs ten batches at once, which finish and agree', async () => {
    const results = await Promise.all(
      Array.from({ length: 10 }, async () => runPipeline(await world.another(), whole)),
    );
    expect(new Set(results.map(({ batchId }) => batchId)).size).toBe(10);
    expect(new Set(results.map(({ stages }) => stages[2]?.rowsOut))).toEqual(new Set([920]));
    const [published] = await world.client.query<{ batch_id: string; n: number }>(
      'SELECT batch_id, count(*)::integer AS n FROM amazon.fact_reviews GROUP BY batch_id',
    );
    expect(published?.n).toBe(920);
    expect(results.map(({ batchId }) => batchId)).toContain(published?.batch_id);
  });
});
