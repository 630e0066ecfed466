import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeDirectory } from '../../src/system/files.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'reviewops-files-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('makeDirectory', () => {
  test('makes what is missing, and is content with what is there', async () => {
    const path = join(root, 'a', 'b', 'c');
    await Promise.all([makeDirectory(path), makeDirectory(path)]);
    await makeDirectory(path);
    expect((await stat(path)).isDirectory()).toBe(true);
    await makeDirectory('/');
  });

  test('a file in the place of a directory, or above it, is an error', async () => {
    const file = join(root, 'file');
    await writeFile(file, '');
    await expect(makeDirectory(file)).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(makeDirectory(join(file, 'x'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  test.skipIf(process.platform !== 'linux')(
    'where the system lets nothing be made, it ends with the word of the system (Linux)',
    async () => {
      await expect(makeDirectory('/proc/reviewops/x')).rejects.toMatchObject({ code: 'ENOENT' });
    },
  );
});
