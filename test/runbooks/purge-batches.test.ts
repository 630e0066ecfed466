import { afterEach, describe, expect, it } from 'vitest';
import type { Lake } from '../../src/lake/lake.js';
import { holdBatch } from '../../src/maintenance/batch-holds.js';
import purgeBatches from '../../src/runbooks/purge-batches.js';
import { unreachable } from '../../src/system/errors.js';
import { batchesIn, damage, keysOf, putBatch, watchRemovals } from '../maintenance/support.js';
import { listening, no, type RunbookWorld, runbookWorld, yes } from '../support/runbooks.js';

const now = () => new Date('2026-03-31T12:00:00.000Z');
const never = new AbortController().signal;
const january = '20260101_000000';
const february = '20260215_000000';
const march = '20260316_000000';

let world: RunbookWorld;
afterEach(() => world.dispose());

async function threeBatches(database: boolean, settings: object = {}): Promise<RunbookWorld> {
  world = await runbookWorld({ database, settings: { retention: { keepLast: 1 }, ...settings } });
  world.clock.now = now;
  if (!database) {
    world.services.databaseUrl = async () =>
      'postgresql://nobody@db.invalid/reviews?sslmode=require';
    world.services.database = async () => {
      throw unreachable('DATABASE_UNREACHABLE', 'The database is down.');
    };
  }
  for (const batchId of [january, february, march]) await putBatch(world.lake, batchId);
  return world;
}

const step = (report: { steps: { id: string }[] }, id: string) =>
  report.steps.find((found) => found.id === id);

describe('purge-batches', () => {
  it('deletes the old ones, keeps the served one, and proves it', async () => {
    await threeBatches(true);
    const client = await world.client();
    await client.execute("INSERT INTO maintenance.fact_loads VALUES ($1, now(), 0, now(), '{}')", [
      january,
    ]);
    const { ask, questions } = listening(yes('ada'));
    const { report, events } = await world.run(purgeBatches, { olderThan: '30d' }, { ask });
    expect(report).toMatchObject({ state: 'succeeded', exitCode: 0, changed: true });
    expect(await batchesIn(world.lake)).toEqual({ [january]: 9, [march]: 9 });
    expect(await keysOf(world.lake, 'leases/')).toEqual([]);
    const [question] = questions;
    expect(question).toMatchObject({ name: 'batches', count: 1, risk: 'destroy' });
    expect(report.plan).toMatchObject({
      targets: [
        {
          type: 'batch',
          name: february,
          action: 'delete (older than 30d)',
          state: { layers: ['bronze', 'silver', 'gold'], objects: 9 },
        },
      ],
      notes: [`${january} stays: the serving table holds it.`],
    });
    expect(step(report, 'delete')).toMatchObject({
      state: 'done',
      verified: {
        done: true,
        evidence: { objectsDeleted: 9, bytesFreed: report.plan?.totals.bytes },
      },
    });
    expect(events.filter(({ type }) => type === 'progress').at(-1)).toMatchObject({
      done: 9,
      total: 9,
      unit: 'files',
    });
  });

  it('finds nothing to do where nothing is old, and asks nobody', async () => {
    await threeBatches(false);
    const { ask, questions } = listening(no('ada'));
    const { report } = await world.run(purgeBatches, { olderThan: '365d' }, { ask });
    expect(report).toMatchObject({ state: 'succeeded', plan: { targets: [] }, changed: false });
    expect(questions).toEqual([]);
  });

  it('touches nothing when declined, and nothing in a dry run', async () => {
    await threeBatches(false);
    const before = await keysOf(world.lake);
    const declined = await world.run(purgeBatches, {}, { ask: no('ada') });
    expect(declined.report).toMatchObject({ state: 'aborted', exitCode: 3 });
    const dry = await world.run(purgeBatches, {}, { dryRun: true });
    expect(dry.report.planHash).toBe(declined.report.planHash);
    expect(await keysOf(world.lake)).toEqual(before);
  });

  it('says that the served batch is unknown while the database is down, and keeps the newest', async () => {
    await threeBatches(false);
    const { report } = await world.run(purgeBatches, { olderThan: '0s', keepLast: 0 });
    expect(step(report, 'served')).toMatchObject({ finding: { state: 'unknown' } });
    expect(report.plan?.notes.join()).toMatch(
      /Which batch is served is unknown .*database is down/,
    );
    expect(await batchesIn(world.lake)).toEqual({ [march]: 9 });
  });

  it('sets no embedded server up to learn that it serves nothing', async () => {
    await threeBatches(false);
    world.services.databaseUrl = async () => undefined;
    const { report } = await world.run(purgeBatches, { olderThan: '0s', keepLast: 0 });
    expect(step(report, 'served')).toMatchObject({ summary: 'None is served.' });
    expect(await batchesIn(world.lake)).toEqual({});
  });

  it('is refused when a batch has changed between plan and approval', async () => {
    await threeBatches(false);
    const { report } = await world.run(
      purgeBatches,
      {},
      {
        ask: async () => {
          await putBatch(world.lake, january);
          return { type: 'yes', by: 'ada', how: 'test' };
        },
      },
    );
    expect(report).toMatchObject({
      state: 'refused',
      exitCode: 3,
      error: { code: 'PLAN_CHANGED' },
      changed: false,
    });
    expect(Object.keys(await batchesIn(world.lake))).toHaveLength(3);
  });

  it('is refused for a named batch under a legal hold', async () => {
    await threeBatches(false);
    await holdBatch(world.lake, january, 'case 12', { now, signal: never });
    const { report } = await world.run(purgeBatches, { batchIds: [january] });
    expect(report).toMatchObject({
      state: 'refused',
      exitCode: 3,
      error: {
        code: 'BATCH_PROTECTED',
        message: `Batch ${january} stays: it is on hold: case 12.`,
      },
    });
  });

  it('takes corrupt ones of any age', async () => {
    await threeBatches(false);
    await damage(world.lake, february);
    const { report } = await world.run(purgeBatches, { corrupt: true });
    expect(report.plan?.targets.map(({ name }) => name)).toEqual([february]);
    expect(Object.keys(await batchesIn(world.lake))).toEqual([january, march]);
  });

  // boto3#507, aws-sdk-go-v2#2607: a store answers 200, and the object is still there.
  it('does not believe the store: what is still listed was not deleted', async () => {
    await threeBatches(false);
    const { lake } = world;
    const forgetful = watchRemovals(lake, () => undefined);
    world.services.lake = async () =>
      new Proxy(forgetful, {
        get: (target, name) =>
          name === 'remove'
            ? (keys: readonly string[]) =>
                target.remove(keys.filter((key) => !key.endsWith('part-00001.parquet')))
            : (Reflect.get(target, name) as unknown),
      });
    const { report } = await world.run(purgeBatches, { batchIds: [january] });
    expect(report).toMatchObject({ state: 'failed', exitCode: 4, error: { code: 'NOT_VERIFIED' } });
    expect(report.reason).toMatch(/3 objects are still there/);
    expect(await batchesIn(lake)).toMatchObject({ [january]: 3 });
  });

  it('stopped by Ctrl-C between two groups, it is resumed and ends where it would have', async () => {
    await threeBatches(false);
    const stop = new AbortController();
    const { lake } = world;
    const watched: Lake = watchRemovals(lake, (_keys, call) => {
      if (call === 3) stop.abort();
    });
    world.services.lake = async () => watched;
    const first = await world.run(purgeBatches, {}, { signal: stop.signal });
    expect(first.report).toMatchObject({ state: 'interrupted', exitCode: 130, changed: true });
    expect(first.report.resume).toBe(`reviewops runbook resume ${first.report.runId}`);
    expect(Object.values(await batchesIn(lake)).reduce((sum, count) => sum + count, 0)).toBe(20);
    const { report } = await world.resume(purgeBatches, first.report.runId, { ask: no('nobody') });
    expect(report).toMatchObject({ state: 'succeeded' });
    // Counted by what is there, not by what this process did.
    expect(step(report, 'delete')).toMatchObject({
      verified: { evidence: { objectsDeleted: 18 } },
    });
    expect(await batchesIn(lake)).toEqual({ [march]: 9 });
  });
});
