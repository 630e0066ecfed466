import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withLock } from '../../src/database/embedded/lock.js';
import { thisProcess } from '../../src/system/owner.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reviewops-lock-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const options = { signal: new AbortController().signal, report: () => undefined, what: 'a test' };
const path = () => join(directory, 'lock');
const gone = () => ({ ...thisProcess(), pid: spawnSync('true').pid, startedAt: '1' });
const put = (file: string, token: string, owner: object) =>
  writeFile(file, JSON.stringify({ token, owner }));

/** Runs the work of many who want the lock; the most that ever held it together. */
async function race(contenders: number): Promise<number> {
  let holders = 0;
  let most = 0;
  const work = async () => {
    holders += 1;
    most = Math.max(most, holders);
    await wait(2);
    holders -= 1;
  };
  await Promise.all(Array.from({ length: contenders }, () => withLock(path(), options, work)));
  return most;
}

describe('withLock', () => {
  it('lets one in at a time, and leaves nothing behind', async () => {
    expect(await race(20)).toBe(1);
    expect(await readdir(directory)).toEqual([]);
  });

  it('is taken over from a dead owner by one alone', async () => {
    await put(path(), 'dead', gone());
    expect(await race(20)).toBe(1);
    expect(await readdir(directory)).toEqual([]);
  });

  it('is taken over although an earlier taker died on the way', async () => {
    await put(path(), 'dead', gone());
    await put(`${path()}.dead.taken`, 'taker', gone());
    expect(await race(20)).toBe(1);
    expect(await readdir(directory)).toEqual([]);
  });

  it('is released when the work fails', async () => {
    await expect(
      withLock(path(), options, () => Promise.reject(new Error('work failed'))),
    ).rejects.toThrow('work failed');
    expect(await withLock(path(), options, async () => 'free')).toBe('free');
  });

  it('is waited for until the operator stops it', async () => {
    await put(path(), 'mine', thisProcess());
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 60);
    await expect(
      withLock(path(), { ...options, signal: stop.signal }, async () => 'never'),
    ).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(await readdir(directory)).toEqual(['lock']);
  });

  it('names a damaged lock file', async () => {
    await writeFile(path(), '{"token');
    await expect(withLock(path(), options, async () => 'never')).rejects.toMatchObject({
      code: 'LOCK_UNREADABLE',
      hint: expect.stringContaining(path()),
    });
  });
});
