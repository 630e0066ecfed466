import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { roomierLimits } from '../../src/diagnosis/memory.js';
import { readLayer } from '../../src/lake/published.js';
import { runPipeline } from '../../src/pipeline/run.js';
import joinOutOfMemory from '../../src/runbooks/join-out-of-memory.js';
import { type BrokenWorld, makeBrokenWorld } from '../support/repairs.js';

describe('join-out-of-memory', () => {
  let world: BrokenWorld;
  beforeAll(async () => {
    world = await makeBrokenWorld({
      reviews: 5000,
      settings: { pipeline: { memoryLimit: '8MB', threads: 2 } },
    });
  });
  afterAll(() => world.dispose());

  const roomy = async () => {
    const environment = await world.another();
    const { config } = environment;
    const pipeline = { ...config.pipeline, memoryLimit: '512MB' };
    return { ...environment, config: { ...config, pipeline } };
  };

  it('finds nothing to do when no run ran out of memory', async () => {
    const { batchId } = await runPipeline(await roomy(), {
      command: 'run',
      from: 'extract',
      to: 'extract',
    });
    const before = await world.picture();
    const report = await world.repair(joinOutOfMemory, { batchId });
    expect(report).toMatchObject({ state: 'succeeded', plan: { targets: [] } });
    expect(await world.picture()).toEqual(before);
  });

  it('runs again what really ran out, with roomier limits, and asks for the configuration', async () => {
    const { batchId } = await runPipeline(await roomy(), {
      command: 'run',
      from: 'extract',
      to: 'extract',
    });
    await expect(
      runPipeline(await world.another(), {
        command: 'run',
        batchId,
        from: 'transform',
        to: 'load',
      }),
    ).rejects.toMatchObject({ code: 'ENGINE_OUT_OF_MEMORY' });
    const before = await world.picture();
    expect((await world.repair(joinOutOfMemory, {}, { answer: 'no' })).state).toBe('aborted');
    expect(await world.picture()).toEqual(before);
    const said: string[] = [];
    const report = await world.repair(
      joinOutOfMemory,
      {},
      {
        ask: async (question) => {
          if (question.type !== 'manual') return { type: 'yes', by: 'ada', how: 'typed' };
          said.push(question.instruction);
          return { type: 'done', by: 'ada', said: 'set' };
        },
      },
    );
    expect(report).toMatchObject({ state: 'succeeded', exitCode: 0 });
    expect(report.plan?.targets).toMatchObject([
      { name: batchId, state: { from: 'transform', to: 'load', threads: 1 } },
    ]);
    expect(said.join()).toMatch(/pipeline\.memoryLimit: \d+MiB and pipeline\.threads: 1/);
    expect(await readLayer(world.lake, 'gold', batchId)).toBeDefined();
    expect(world.services.config.pipeline).toMatchObject({ memoryLimit: '8MB', threads: 2 });
    const again = await world.repair(joinOutOfMemory);
    expect(again.plan?.targets).toEqual([]);
  });
});

describe('roomierLimits', () => {
  const gib = 1024 ** 3;
  it('gives more memory where the machine has it, and one thread', () => {
    expect(roomierLimits({ memoryLimit: '768MB', threads: 2 }, 8 * gib)).toEqual({
      memoryLimit: '2880MiB',
      threads: 1,
    });
  });
  it('keeps the limit where the machine has no more, and lowers the threads', () => {
    expect(roomierLimits({ memoryLimit: '1GB', threads: 4 }, 1.5 * gib)).toEqual({
      memoryLimit: '1GB',
      threads: 1,
    });
  });
  it('knows when there is nothing to gain', () => {
    expect(roomierLimits({ memoryLimit: '1GB', threads: 1 }, 1.5 * gib)).toBeUndefined();
  });
});
