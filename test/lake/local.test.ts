import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import {
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Lake } from '../../src/lake/lake.js';
import { openLocalLake } from '../../src/lake/local.js';
import { ended, lineFrom, startTask } from '../support/tasks.js';
import { lakeContract } from './contract.js';

const code = (name: string) => expect.objectContaining({ name: 'OperatorError', code: name });

lakeContract('local directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'reviewops-lake-'));
  const root = join(directory, 'not', 'made', 'yet');
  return {
    lake: openLocalLake(root),
    address: ['local', root],
    dispose: () => rm(directory, { recursive: true, force: true }),
  };
});

describe('the local lake', () => {
  let directory: string;
  let root: string;
  let lake: Lake;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reviewops-lake-'));
    root = join(directory, 'lake');
    lake = openLocalLake(root);
  });

  afterEach(() => rm(directory, { recursive: true, force: true }));

  const keys = async (prefix = ''): Promise<string[]> => {
    const found: string[] = [];
    for await (const { key } of lake.list(prefix)) found.push(key);
    return found;
  };

  /** Every file below the root, those that are no objects included. */
  const files = (): string[] =>
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
      .sort();

  test('is not made by a write that replaces what is not there', async () => {
    const file = join(directory, 'file');
    await writeFile(file, 'x');
    const condition = { ifMatch: 'seen-before' };
    await expect(lake.put('leases/x', 'x', condition)).rejects.toEqual(code('OBJECT_CHANGED'));
    await expect(lake.putFile('gold/x', file, condition)).rejects.toEqual(code('OBJECT_CHANGED'));
    expect(existsSync(root)).toBe(false);
    expect(existsSync(file)).toBe(true);
  });

  test('lists an absent directory as empty, and makes it with the first write', async () => {
    expect(await keys()).toEqual([]);
    expect(existsSync(root)).toBe(false);
    await lake.put('gold/x', 'x');
    expect(await keys()).toEqual(['gold/x']);
  });

  test('removes directories that became empty, and nothing else', async () => {
    await lake.put('gold/batch=a/review/part-0', 'x');
    await lake.put('gold/batch=b/review/part-0', 'x');
    await lake.remove(['gold/batch=a/review/part-0']);
    expect(existsSync(join(root, 'gold/batch=a'))).toBe(false);
    expect(await keys()).toEqual(['gold/batch=b/review/part-0']);
    const etag = (await lake.head('gold/batch=b/review/part-0'))?.etag ?? '';
    await lake.removeIfMatch('gold/batch=b/review/part-0', etag);
    expect(existsSync(join(root, 'gold/batch=b'))).toBe(false);
    expect(existsSync(root)).toBe(true);
  });

  test('leaves no temporary file and no lock behind, after failures neither', async () => {
    await lake.put('gold/a', 'a');
    await expect(lake.put('gold/a', 'b', { ifAbsent: true })).rejects.toEqual(
      code('OBJECT_EXISTS'),
    );
    await lake.put('gold/d/e', 'x');
    await expect(lake.put('gold/d', 'x')).rejects.toEqual(code('KEY_CONFLICT'));
    await expect(lake.put('gold/a/b', 'x')).rejects.toEqual(code('KEY_CONFLICT'));
    expect(files()).toEqual(['gold/a', 'gold/d/e']);
  });

  test('hides what a killed writer left, and the next writer removes it', async () => {
    const child = startTask('hang', ['local', root], ['gold/x']);
    await lineFrom(child, 'writing');
    expect(files()).toHaveLength(1);
    // While its writer lives, another one's first write leaves it alone.
    await lake.put('gold/y', 'y');
    expect(files()).toHaveLength(2);
    expect(await keys()).toEqual(['gold/y']);
    child.kill('SIGKILL');
    await ended(child);
    await openLocalLake(root).put('gold/y', 'y');
    expect(files()).toEqual(['gold/y']);
  });

  test.each(['gold', 'gold/batch=a'])('refuses to go through a symbolic link: %s', async (link) => {
    const outside = join(directory, 'outside');
    await mkdir(join(outside, 'batch=a'), { recursive: true });
    await writeFile(join(outside, 'secret'), 'secret');
    await writeFile(join(outside, 'batch=a', 'secret'), 'secret');
    await mkdir(join(root, link, '..'), { recursive: true });
    await symlink(outside, join(root, link));
    const refusal = code('LAKE_SYMLINK');
    await expect(lake.read(`${link}/secret`)).rejects.toEqual(refusal);
    await expect(lake.head(`${link}/secret`)).rejects.toEqual(refusal);
    await expect(lake.fetch(`${link}/secret`, directory)).rejects.toEqual(refusal);
    await expect(lake.put(`${link}/new/file`, 'x')).rejects.toEqual(refusal);
    await expect(lake.remove([`${link}/secret`])).rejects.toEqual(refusal);
    await expect(keys(`${link}/`)).rejects.toEqual(refusal);
    await expect(keys()).rejects.toEqual(refusal);
    expect(readdirSync(outside).sort()).toEqual(['batch=a', 'secret']);
  });

  test('refuses a symbolic link in place of an object', async () => {
    await lake.put('gold/a', 'a');
    await writeFile(join(directory, 'secret'), 'secret');
    await symlink(join(directory, 'secret'), join(root, 'gold/link'));
    await expect(lake.read('gold/link')).rejects.toEqual(code('LAKE_SYMLINK'));
    await expect(lake.put('gold/link', 'x')).rejects.toEqual(code('LAKE_SYMLINK'));
    expect(await readFile(join(directory, 'secret'), 'utf8')).toBe('secret');
  });

  test('may itself be reached through a symbolic link', async () => {
    await mkdir(join(directory, 'real'));
    await symlink(join(directory, 'real'), root);
    await lake.put('gold/a', 'a');
    expect(await keys()).toEqual(['gold/a']);
  });

  test('keeps files of other programs out of its lists', async () => {
    await lake.put('gold/a', 'a');
    await writeFile(join(root, 'gold', '.DS_Store'), 'x');
    expect(await keys()).toEqual(['gold/a']);
  });

  test('works on after its directory was removed', async () => {
    await lake.put('gold/a', 'a');
    await rm(root, { recursive: true });
    expect(await lake.head('gold/a')).toBeUndefined();
    await lake.put('gold/b', 'b');
    expect(await keys()).toEqual(['gold/b']);
  });

  test('never gives a version the time of the one before, wherever the clock stands', async () => {
    await lake.put('gold/a', 'a');
    const ahead = new Date(Date.now() + 3600_000);
    await utimes(join(root, 'gold/a'), ahead, ahead);
    const seen = await lake.head('gold/a');
    const next = await lake.put('gold/a', 'b', { ifMatch: seen?.etag ?? '' });
    expect(next.modifiedAt.getTime()).toBeGreaterThanOrEqual(ahead.getTime());
    expect(next.etag).not.toBe(seen?.etag);
    const file = join(directory, 'file');
    await writeFile(file, 'c');
    await utimes(file, 1, 1);
    const stored = await lake.putFile('gold/a', file);
    expect(stored.modifiedAt.getTime()).toBeGreaterThanOrEqual(ahead.getTime());
  });

  test('takes a file from another file system', async (context) => {
    const other = '/dev/shm';
    const here = await stat(directory);
    if (!existsSync(other) || (await stat(other)).dev === here.dev) {
      context.skip('there is no second file system');
    }
    const elsewhere = await mkdtemp(join(other, 'reviewops-'));
    try {
      await writeFile(join(elsewhere, 'file'), 'content');
      await lake.putFile('gold/a', join(elsewhere, 'file'));
      expect((await lake.read('gold/a')).toString()).toBe('content');
      expect(readdirSync(elsewhere)).toEqual([]);
      expect(files()).toEqual(['gold/a']);
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });

  test('names what it may not write', async () => {
    await mkdir(root);
    await chmod(directory, 0o755);
    await chmod(root, 0o555);
    const wasRoot = process.geteuid?.() === 0;
    // Root may write anywhere: become nobody for the moment.
    if (wasRoot) process.seteuid?.(65_534);
    try {
      await expect(lake.put('gold/a', 'a')).rejects.toMatchObject({
        code: 'PERMISSION_DENIED',
        message: expect.stringContaining(root),
      });
    } finally {
      if (wasRoot) process.seteuid?.(0);
      await chmod(root, 0o755);
    }
  });

  test('names a disk that is full, and keeps what was there', async (context) => {
    await mkdir(root);
    const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', root]);
    if (mount.status !== 0) context.skip('only root can mount a small file system');
    try {
      const old = 'x'.repeat(600_000);
      await lake.put('gold/a', old);
      await expect(lake.put('gold/a', 'y'.repeat(600_000))).rejects.toMatchObject({
        code: 'DISK_FULL',
        exitCode: 1,
        message: expect.stringContaining(root),
      });
      await writeFile(join(directory, 'file'), 'z'.repeat(600_000));
      await expect(lake.putFile('gold/b', join(directory, 'file'))).rejects.toEqual(
        code('DISK_FULL'),
      );
      expect((await stat(join(directory, 'file'))).size).toBe(600_000);
      expect((await lake.read('gold/a')).toString()).toBe(old);
      expect(files()).toEqual(['gold/a']);
    } finally {
      spawnSync('umount', [root]);
    }
  });
});
