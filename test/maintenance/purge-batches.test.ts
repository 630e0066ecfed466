import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Key } from '../../src/lake/lake.js';
import { batchLeaseName, batchPrefix, manifestKey } from '../../src/lake/layout.js';
import { acquireLease } from '../../src/lake/lease.js';
import { openLocalLake } from '../../src/lake/local.js';
import { findHold, holdBatch, releaseBatch } from '../../src/maintenance/batch-holds.js';
import { inventoryOf, momentOf } from '../../src/maintenance/batch-inventory.js';
import { type BatchRequest, selectBatches } from '../../src/maintenance/batch-selection.js';
import type { LoadedBatches } from '../../src/maintenance/loaded-batches.js';
import { purgeBatches, remainingOf } from '../../src/maintenance/purge-batches.js';
import { Remover } from '../../src/maintenance/remover.js';
import { isOperatorError } from '../../src/system/errors.js';
import { thisProcess } from '../../src/system/owner.js';
import { sandbox } from '../support/sandbox.js';
import { batchesIn, damage, keysOf, putBatch, watchRemovals } from './support.js';

const now = () => new Date('2026-03-31T12:00:00.000Z');
const never = new AbortController().signal;
const days = (count: number) => count * 86_400;
const nothingLoaded: LoadedBatches = { state: 'known', batchIds: new Set() };

const january = '20260101_000000';
const february = '20260215_000000';
const march = '20260316_000000';
const yesterday = '20260330_000000';

async function lakeWith(...batches: string[]) {
  const root = join(await sandbox(), 'data');
  const lake = openLocalLake(root);
  for (const batchId of batches) await putBatch(lake, batchId);
  const select = (request: Partial<BatchRequest> = {}, loaded = nothingLoaded) =>
    selectBatches(
      lake,
      { corrupt: false, keepLast: 1, ...request },
      { now, signal: never, loaded },
    );
  return { root, lake, select };
}

const ids = (batches: readonly { batchId: string }[]) => batches.map(({ batchId }) => batchId);
const options = { now, signal: never, perSecond: 0, versions: false };
const codeOf = (error: unknown) => (isOperatorError(error) ? error.code : error);

describe('which batches a purge takes', () => {
  it('takes those older than the given age, by the moment in their id', async () => {
    const { select } = await lakeWith(january, february, march, yesterday);
    const { batches, kept } = await select({ olderThan: days(30) });
    expect(ids(batches)).toEqual([january, february]);
    expect(batches[0]).toMatchObject({
      why: 'older than 30d',
      objects: 9,
      manifests: { length: 3 },
    });
    expect(kept).toEqual([]);
    expect(ids((await select({ olderThan: days(89.5) })).batches)).toEqual([january]);
    expect(ids((await select({ olderThan: days(89.51) })).batches)).toEqual([]);
  });

  it('always keeps the last good ones, which a newer broken one is not', async () => {
    const { lake, select } = await lakeWith(january, february, march, yesterday);
    await damage(lake, yesterday);
    await lake.remove([manifestKey('gold', march)]);
    const { batches, kept } = await select({ olderThan: 0, keepLast: 1 });
    expect(ids(batches)).toEqual([january, march, yesterday]);
    expect(kept).toEqual([{ batchId: february, why: 'it is the last complete batch' }]);
    const two = await select({ olderThan: 0, keepLast: 2 });
    expect(two.kept.map(({ why }) => why)).toEqual(
      Array(2).fill('it is one of the last 2 complete batches'),
    );
    expect(ids((await select({ olderThan: 0, keepLast: 0 })).batches)).toHaveLength(4);
  });

  it('always keeps the batch that is served', async () => {
    const { select } = await lakeWith(january, february, march);
    const served: LoadedBatches = { state: 'known', batchIds: new Set([january]) };
    const { batches, kept } = await select({ olderThan: days(30) }, served);
    expect(ids(batches)).toEqual([february]);
    expect(kept).toEqual([{ batchId: january, why: 'the serving table holds it' }]);
  });

  it('keeps the newest complete one while nobody can tell what is served', async () => {
    const { select } = await lakeWith(january, february);
    const unknown: LoadedBatches = { state: 'unknown', why: 'the database is down' };
    const { batches, kept } = await select({ olderThan: 0, keepLast: 0 }, unknown);
    expect(ids(batches)).toEqual([january]);
    expect(ids(kept)).toEqual([february]);
  });

  it('always keeps a batch that somebody works on', async () => {
    const { lake, select } = await lakeWith(january, february, march);
    const lease = await acquireLease(lake, batchLeaseName(january), {
      owner: thisProcess(),
      now: () => new Date(),
      signal: never,
    });
    const { batches, kept } = await select({ olderThan: days(30) });
    expect(ids(batches)).toEqual([february]);
    expect(ids(kept)).toEqual([january]);
    expect(kept[0]?.why).toMatch(/works on it$/);
    await lease.release();
  });

  it('always keeps a batch under a legal hold, until it is released', async () => {
    const { lake, select } = await lakeWith(january, february, march);
    const held = await holdBatch(lake, january, 'case 12', { now, signal: never });
    expect(held).toMatchObject({ batchId: january, reason: 'case 12', at: now().toISOString() });
    expect((await select({ olderThan: days(30) })).kept).toEqual([
      { batchId: january, why: 'it is on hold: case 12' },
    ]);
    await expect(holdBatch(lake, january, 'again', { now, signal: never })).rejects.toMatchObject({
      code: 'BATCH_ON_HOLD',
    });
    await lake.put('holds/batch=20260215_000000.json', 'not JSON');
    expect(await findHold(lake, february)).toMatchObject({ reason: 'its reason cannot be read' });
    expect((await select({ olderThan: days(30) })).batches).toEqual([]);
    expect(await releaseBatch(lake, january)).toMatchObject({ reason: 'case 12' });
    expect(await releaseBatch(lake, january)).toBeNull();
    expect(ids((await select({ olderThan: days(30) })).batches)).toEqual([january]);
  });

  it('takes only corrupt ones when asked, and only named ones', async () => {
    const { lake, select } = await lakeWith(january, february, march, yesterday);
    await damage(lake, march);
    expect(ids((await select({ corrupt: true })).batches)).toEqual([march]);
    expect(ids((await select({ corrupt: true, olderThan: days(30) })).batches)).toEqual([]);
    const named = await select({ batchIds: [february, march, february] });
    expect(named.batches.map(({ batchId, why }) => [batchId, why])).toEqual([
      [february, 'named'],
      [march, 'named'],
    ]);
  });

  it('refuses a named batch that is protected, and one that is not there', async () => {
    const { select } = await lakeWith(january, february);
    await expect(select({ batchIds: [february, january] })).rejects.toMatchObject({
      code: 'BATCH_PROTECTED',
      exitCode: 3,
      message: `Batch ${february} stays: it is the last complete batch.`,
    });
    await expect(select({ batchIds: [march] })).rejects.toMatchObject({
      code: 'BATCH_NOT_FOUND',
      exitCode: 2,
    });
  });

  it('reads a moment only from an id that names one', () => {
    expect(momentOf('20260131_235959_ab')).toEqual(new Date('2026-01-31T23:59:59.000Z'));
    for (const id of ['20260231_000000', '99999999_999999', '20260131_246060']) {
      expect(momentOf(id)).toBeUndefined();
    }
  });
});

describe('a purge of batches', () => {
  const planOf = async (lake: Awaited<ReturnType<typeof lakeWith>>['lake'], ...named: string[]) =>
    Promise.all(
      named.map(async (batchId) => {
        const found = await inventoryOf(lake, batchId);
        if (found === undefined) throw new Error(`No ${batchId}`);
        return found;
      }),
    );

  it('deletes what the plan names and nothing else', async () => {
    const { lake } = await lakeWith(january, february, march);
    const plan = await planOf(lake, january, february);
    const removed: number[] = [];
    await purgeBatches(lake, plan, { ...options, onRemoved: (count) => removed.push(count) });
    expect(await batchesIn(lake)).toEqual({ [march]: 9 });
    expect(await keysOf(lake, 'leases/')).toEqual([]);
    expect(removed.at(-1)).toBe(18);
    expect(await remainingOf(lake, [january, february])).toEqual({
      batches: [],
      objects: 0,
      bytes: 0,
      versions: 0,
    });
  });

  it('takes the manifests first, gold before silver before bronze', async () => {
    const { lake } = await lakeWith(january);
    const groups: (readonly Key[])[] = [];
    const watched = watchRemovals(lake, (keys) => void groups.push(keys));
    await purgeBatches(watched, await planOf(lake, january), options);
    expect(groups[0]).toEqual(
      (['gold', 'silver', 'bronze'] as const).map((layer) => manifestKey(layer, january)),
    );
    expect(groups.slice(1).flat()).toHaveLength(6);
  });

  // kestra PR17262: one transaction around "batches" defeats batching.
  it('commits group by group: a crash in the middle keeps what went before it', async () => {
    const { lake } = await lakeWith(january, february);
    const plan = await planOf(lake, january, february);
    for (let crashAt = 1; crashAt <= 8; crashAt += 1) {
      const crashing = watchRemovals(lake, (_keys, call) => {
        if (call === crashAt) throw new Error('power cut');
      });
      const before = await batchesIn(lake);
      const outcome = await purgeBatches(crashing, plan, options).catch((error: Error) => error);
      const after = await batchesIn(lake);
      const left = Object.values(after).reduce((sum, count) => sum + count, 0);
      const stood = Object.values(before).reduce((sum, count) => sum + count, 0);
      if (outcome === undefined) break;
      expect(outcome.message).toBe('power cut');
      if (crashAt === 1) expect(left).toBe(stood);
      else expect(left).toBeLessThan(stood);
      // Invisible or whole: a batch that lost a file has lost its manifests before.
      for (const [batchId, count] of Object.entries(after)) {
        const manifests = (await inventoryOf(lake, batchId))?.manifests.length;
        expect(manifests).toBe(count === 9 ? 3 : 0);
      }
      await lake.remove(await keysOf(lake, 'leases/'));
    }
    await purgeBatches(lake, plan, options);
    expect(await batchesIn(lake)).toEqual({});
  });

  it('leaves a batch that changed since the plan, deletes the others and says so', async () => {
    const { root, lake } = await lakeWith(january, february, march);
    const plan = await planOf(lake, january, february);
    await putBatch(lake, january, { layers: ['bronze'] });
    const error = await purgeBatches(lake, plan, options).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'PURGE_INCOMPLETE', exitCode: 4 });
    expect(String(error)).toContain(`${january} (it has changed since the plan was made)`);
    expect(Object.keys(await batchesIn(lake))).toEqual([january, march]);
    // Less than was planned, but one file of it is newer: nobody approved that it goes.
    const [key = ''] = await keysOf(lake, batchPrefix('bronze', march));
    const other = await planOf(lake, march);
    await lake.remove([manifestKey('gold', march)]);
    await utimes(join(root, key), new Date(), new Date(Date.now() + 60_000));
    await expect(purgeBatches(lake, other, options)).rejects.toMatchObject({
      code: 'PURGE_INCOMPLETE',
    });
  });

  it('leaves a batch that somebody took, held or loaded in the meantime', async () => {
    const { lake } = await lakeWith(january, february, march);
    const plan = await planOf(lake, january, february, march);
    const lease = await acquireLease(lake, batchLeaseName(january), {
      owner: thisProcess(),
      now: () => new Date(),
      signal: never,
    });
    await holdBatch(lake, february, 'case 12', { now, signal: never });
    const error = await purgeBatches(lake, plan, {
      ...options,
      mustStay: async (batchId) => (batchId === march ? 'it is served by now' : undefined),
    }).catch((caught: unknown) => caught);
    expect(codeOf(error)).toBe('PURGE_INCOMPLETE');
    expect(String(error)).toMatch(/is held by .*on hold: case 12.*served by now/s);
    expect(Object.keys(await batchesIn(lake))).toHaveLength(3);
    await lease.release();
  });

  it('stops between two groups when told to, and goes on later', async () => {
    const { lake } = await lakeWith(january, february);
    const plan = await planOf(lake, january, february);
    const stop = new AbortController();
    const watched = watchRemovals(lake, (_keys, call) => {
      if (call === 2) stop.abort();
    });
    await expect(
      purgeBatches(watched, plan, { ...options, signal: stop.signal }),
    ).rejects.toMatchObject({ code: 'INTERRUPTED', exitCode: 130 });
    // The group that was under way is done: three manifests and the files of gold.
    expect(await batchesIn(lake)).toEqual({ [january]: 4, [february]: 9 });
    expect(await keysOf(lake, 'leases/')).toEqual([]);
    await purgeBatches(lake, plan, options);
    expect(await batchesIn(lake)).toEqual({});
  });
});

describe('a remover', () => {
  it('holds one group of 1,000 at a time', async () => {
    const sizes: number[] = [];
    let listed = 0;
    async function* keys() {
      for (let index = 0; index < 2500; index += 1) {
        listed += 1;
        yield String(index);
      }
    }
    const ahead: number[] = [];
    await new Remover({ signal: never, perSecond: 0 }).remove(keys(), async (group) => {
      sizes.push(group.length);
      ahead.push(listed);
    });
    expect(sizes).toEqual([1000, 1000, 500]);
    expect(ahead).toEqual([1000, 2000, 2500]);
  });

  it('keeps to its rate, and stops while it waits', async () => {
    const times: number[] = [];
    const start = performance.now();
    await new Remover({ signal: never, perSecond: 40 }).remove(
      Array.from({ length: 60 }, String),
      async () => void times.push(performance.now() - start),
    );
    expect(times).toHaveLength(2);
    expect(times[1]).toBeGreaterThan(980);
    const stop = new AbortController();
    const slow = new Remover({ signal: stop.signal, perSecond: 0.02 });
    const stopped = slow.remove(['a', 'b'], async () => stop.abort());
    await expect(stopped).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});
