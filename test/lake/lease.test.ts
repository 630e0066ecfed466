import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Lake } from '../../src/lake/lake.js';
import { LayeredLake } from '../../src/lake/layered.js';
import { leaseKey } from '../../src/lake/layout.js';
import { acquireLease, type Lease, type LeaseOptions, listLeases } from '../../src/lake/lease.js';
import type { LeaseRecord } from '../../src/lake/lease-record.js';
import { openLocalLake } from '../../src/lake/local.js';
import { unreachable } from '../../src/system/errors.js';
import { type Owner, thisProcess } from '../../src/system/owner.js';
import { ended, lineFrom, runTask, startTask } from '../support/tasks.js';

const name = 'batch=20260131_235959';
const elsewhere: Owner = {
  user: 'ada',
  host: 'analytics',
  pid: 12,
  startedAt: undefined,
  machine: 'another machine',
};
const quick = { heartbeat: 0.05, stale: 60, watch: 0.3 };

let directory: string;
let lake: Lake;
const held: Lease[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reviewops-lease-'));
  lake = openLocalLake(directory);
});

afterEach(async () => {
  for (const lease of held.splice(0)) await lease.release();
  await rm(directory, { recursive: true, force: true });
});

async function acquire(options: Partial<LeaseOptions> = {}, on = lake): Promise<Lease> {
  const lease = await acquireLease(on, name, {
    owner: thisProcess(),
    now: () => new Date(),
    signal: new AbortController().signal,
    timing: quick,
    ...options,
  });
  held.push(lease);
  return lease;
}

/** Leaves a lease as another machine would, acquired and renewed so many seconds ago. */
const leave = (secondsAgo: { acquired: number; renewed: number }, owner = elsewhere) =>
  lake.put(
    leaseKey(name),
    JSON.stringify({
      name,
      owner,
      acquiredAt: new Date(Date.now() - secondsAgo.acquired * 1000),
      renewedAt: new Date(Date.now() - secondsAgo.renewed * 1000),
    }),
  );

const record = async (): Promise<LeaseRecord> =>
  JSON.parse((await lake.read(leaseKey(name))).toString());

describe('a lease', () => {
  test('is held by one at a time, and can be given back', async () => {
    const lease = await acquire();
    await expect(acquire()).rejects.toMatchObject({ code: 'LEASE_HELD', exitCode: 3 });
    await lease.release();
    expect(await lake.head(leaseKey(name))).toBeUndefined();
    expect((await acquire()).lost.aborted).toBe(false);
  });

  test('can be given back twice, and does then not end the next holder’s', async () => {
    const first = await acquire();
    await first.release();
    const second = await acquire();
    await first.release();
    expect(await lake.head(leaseKey(name))).toBeDefined();
    expect(second.lost.aborted).toBe(false);
  });

  test('names its holder, its process and its age when refused', async () => {
    const owner = { ...thisProcess(), user: 'ada' };
    await leave({ acquired: 192, renewed: 5 }, owner);
    await expect(acquire()).rejects.toThrow(
      `${name} is held by ada@${hostname()} (pid ${process.pid}) for 3m 12s.`,
    );
  });

  test('is given signs of life', async () => {
    await acquire();
    const before = await record();
    await expect.poll(async () => (await record()).renewedAt).not.toBe(before.renewedAt);
    expect((await record()).acquiredAt).toBe(before.acquiredAt);
  });

  test('outlives a renewal whose answer was lost, and is given back all the same', async () => {
    let lost = 0;
    class LosesAnswer extends LayeredLake {
      override async put(...given: Parameters<Lake['put']>) {
        const put = await super.put(...given);
        if (given[2]?.ifMatch === undefined || lost > 0) return put;
        lost += 1;
        throw unreachable('LAKE_UNREACHABLE', 'The answer was lost.');
      }
    }
    const stores = { raw: lake, bronze: lake, silver: lake, gold: lake, system: lake };
    const lease = await acquire({}, new LosesAnswer(lake.description, stores));
    await expect.poll(() => lost).toBe(1);
    const { renewedAt } = await record();
    await expect
      .poll(async () => lease.lost.aborted || (await record()).renewedAt !== renewedAt)
      .toBe(true);
    expect(lease.lost.aborted).toBe(false);
    await lease.release();
    expect(await lake.head(leaseKey(name))).toBeUndefined();
  });

  test('of a killed process is taken over at once, and its owner is told', async () => {
    const child = startTask('hold', ['local', directory], [name]);
    await lineFrom(child, 'held');
    await expect(acquire()).rejects.toThrow(`(pid ${child.pid})`);
    child.kill('SIGKILL');
    await ended(child);
    const taken: Owner[] = [];
    await acquire({ onTakeover: (previous) => taken.push(previous) });
    expect(taken).toMatchObject([{ pid: child.pid }]);
    expect((await record()).owner.pid).toBe(process.pid);
  });

  test('of a process whose id another one has now is taken over', async () => {
    const reused = { ...thisProcess(), startedAt: '1' };
    await leave({ acquired: 10, renewed: 1 }, reused);
    await acquire();
    expect((await record()).owner.startedAt).toBe(thisProcess().startedAt);
  });

  test('is taken by exactly one of many processes at a time', async () => {
    const turns = (
      await Promise.all(
        Array.from({ length: 3 }, () => runTask('turns', ['local', directory], [name, '10'])),
      )
    )
      .flat()
      .map((line) => line.split(' ').map(Number) as [number, number])
      .sort(([a], [b]) => a - b);
    expect(turns).toHaveLength(30);
    turns.slice(1).forEach(([from], index) => {
      expect(from).toBeGreaterThanOrEqual(turns[index]?.[1] ?? 0);
    });
  });
});

describe('a lease held elsewhere', () => {
  test('is respected while its last sign of life is recent', async () => {
    await leave({ acquired: 3700, renewed: 20 });
    await expect(acquire()).rejects.toThrow(/ada@analytics \(pid 12\) for 1h 1m/);
  });

  test.each([
    ['an hour ago', 3600],
    ['an hour ahead, by a wrong clock', -3600],
  ])('is taken over when its last sign of life was %s and none comes', async (_, renewed) => {
    await leave({ acquired: 7200, renewed });
    const watched: number[] = [];
    const taken: Owner[] = [];
    await acquire({
      onWatch: (_suspect, seconds) => watched.push(seconds),
      onTakeover: (previous) => taken.push(previous),
    });
    expect(watched).toEqual([0.3]);
    expect(taken).toEqual([{ ...elsewhere, startedAt: undefined }]);
  });

  test('is respected when it is renewed, however wrong its clock is', async () => {
    const owner = elsewhere;
    const slowClock = () => new Date(Date.now() - 3600_000);
    await acquire({ owner, now: slowClock });
    await expect(acquire()).rejects.toMatchObject({ code: 'LEASE_HELD' });
  });

  test('is no longer waited for when the operator stops it', async () => {
    await leave({ acquired: 7200, renewed: 3600 });
    const controller = new AbortController();
    const waiting = acquire({
      signal: controller.signal,
      timing: { ...quick, watch: 60 },
      onWatch: () => setImmediate(() => controller.abort()),
    });
    await expect(waiting).rejects.toMatchObject({ code: 'INTERRUPTED', exitCode: 130 });
  });
});

describe('a lease that is lost', () => {
  test('is noticed, and then not given back', async () => {
    const lease = await acquire();
    await leave({ acquired: 0, renewed: 0 });
    await expect.poll(() => lease.lost.aborted).toBe(true);
    expect(lease.lost.reason).toMatchObject({ code: 'LEASE_LOST' });
    await lease.release();
    expect((await record()).owner.user).toBe('ada');
  });

  test('counts as lost when it could not be renewed for too long', async () => {
    let broken = false;
    const flaky: Lake = {
      description: lake.description,
      list: (prefix) => lake.list(prefix),
      head: (key) => lake.head(key),
      read: (key) => lake.read(key),
      readVersion: (key) => lake.readVersion(key),
      openRead: (key) => lake.openRead(key),
      fetch: (key, scratch) => lake.fetch(key, scratch),
      putFile: (key, path) => lake.putFile(key, path),
      remove: (keys) => lake.remove(keys),
      removeIfMatch: (key, etag) => lake.removeIfMatch(key, etag),
      put: (key, body, condition) =>
        broken ? Promise.reject(new Error('unreachable')) : lake.put(key, body, condition),
    };
    const lease = await acquireLease(flaky, name, {
      owner: thisProcess(),
      now: () => new Date(),
      signal: new AbortController().signal,
      timing: { heartbeat: 0.02, stale: 0.2, watch: 1 },
    });
    broken = true;
    expect(lease.lost.aborted).toBe(false);
    await expect.poll(() => lease.lost.aborted).toBe(true);
    await lease.release();
  });
});

describe('a process that stood still for longer than a lease may be silent', () => {
  /** As SIGSTOP, a laptop that is shut, or a machine without a free moment. */
  const standStill = (milliseconds: number) => {
    const until = performance.now() + milliseconds;
    while (performance.now() < until);
  };
  // A disk may take longer than a few milliseconds for a renewal.
  const timing = { heartbeat: 0.15, stale: 0.3, watch: 1 };

  test('keeps the lease that nobody has taken meanwhile', async () => {
    const lease = await acquire({ timing });
    const before = (await record()).renewedAt;
    standStill(500);
    await expect.poll(async () => (await record()).renewedAt > before).toBe(true);
    expect(lease.lost.aborted).toBe(false);
    await lease.release();
  });

  test('learns that somebody has taken it', async () => {
    const lease = await acquire({ timing });
    await leave({ acquired: 0, renewed: 0 });
    standStill(500);
    await expect.poll(() => lease.lost.aborted).toBe(true);
    expect(lease.lost.reason).toMatchObject({ message: expect.stringContaining('somebody else') });
  });
});

describe('the list of leases', () => {
  test('tells the living from the dead', async () => {
    await acquire();
    const other = { ...thisProcess(), startedAt: '1' };
    const past = new Date(Date.now() - 100_000);
    const now = new Date();
    const put = (lease: LeaseRecord) => lake.put(leaseKey(lease.name), JSON.stringify(lease));
    await put({ name: 'gone', owner: other, acquiredAt: now, renewedAt: now });
    await put({ name: 'silent', owner: elsewhere, acquiredAt: past, renewedAt: past });
    await put({ name: 'recent', owner: elsewhere, acquiredAt: past, renewedAt: now });
    await lake.put(leaseKey('damaged'), '{"name":');
    const found = (await listLeases(lake, new Date())).map((lease) => [lease.name, lease.live]);
    expect(found).toEqual([
      [name, true],
      ['gone', false],
      ['recent', true],
      ['silent', false],
    ]);
  });

  test('a damaged lease is refused with what to do', async () => {
    await lake.put(leaseKey(name), '{"name":');
    await expect(acquire()).rejects.toMatchObject({ code: 'LEASE_UNREADABLE', exitCode: 3 });
  });
});
