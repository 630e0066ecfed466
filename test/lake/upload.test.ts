import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openLocalLake } from '../../src/lake/local.js';
import { uploadFiles } from '../../src/lake/upload.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reviewops-upload-'));
  await mkdir(join(directory, 'in'));
  await writeFile(join(directory, 'in/own.csv'), '1');
  await writeFile(join(directory, 'elsewhere.csv'), '2');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const upload = (path: string) =>
  uploadFiles(
    openLocalLake(join(directory, 'lake')),
    { paths: [path], layer: 'raw', prefix: '', replace: false },
    { report: () => undefined, signal: new AbortController().signal, now: () => new Date() },
  );

test('leaves nothing out in silence: a link inside a directory is refused', async () => {
  await symlink(join(directory, 'elsewhere.csv'), join(directory, 'in/link.csv'));
  await expect(upload(join(directory, 'in'))).rejects.toMatchObject({
    code: 'UPLOAD_SYMLINK',
    exitCode: 2,
    message: expect.stringContaining('in/link.csv'),
  });
  const named = await upload(join(directory, 'in/link.csv'));
  expect(named.files).toEqual([{ key: 'raw/link.csv', bytes: 1, state: 'uploaded' }]);
});

test('says what a device is not', async () => {
  await expect(upload('/dev/null')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND', exitCode: 2 });
});
