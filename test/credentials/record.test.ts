import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { madeAt, noteCredential, readLedger } from '../../src/credentials/ledger.js';
import {
  type Rotation,
  readRotation,
  removeRotation,
  requireNoOther,
  writeRotation,
} from '../../src/credentials/record.js';
import { secretForms } from '../../src/credentials/secret.js';
import { sandbox } from '../support/sandbox.js';

const rotation: Rotation = {
  kind: 'aws',
  runId: 'run_20260101_000000_abcdef',
  from: 'AKIAOLD',
  to: 'AKIANEW',
  moments: { created: '2026-01-01T00:00:00.000Z' },
  endSessions: false,
  old: { AWS_ACCESS_KEY_ID: 'AKIAOLD', AWS_SECRET_ACCESS_KEY: 'old/Secret+1' },
  fresh: { AWS_ACCESS_KEY_ID: 'AKIANEW', AWS_SECRET_ACCESS_KEY: 'new/Secret+2' },
  secret: 'a password of its own',
};

describe('a rotation under way', () => {
  it('is read back as it was, and tells of its secrets first', async () => {
    const home = await sandbox();
    expect(await readRotation(home, 'aws', () => undefined)).toBeUndefined();
    await writeRotation(home, rotation);
    const told: string[] = [];
    expect(await readRotation(home, 'aws', (value) => told.push(value))).toEqual(rotation);
    expect(told.sort()).toEqual(['a password of its own', 'new/Secret+2', 'old/Secret+1']);
    await removeRotation(home, 'aws');
    expect(await readRotation(home, 'aws', () => undefined)).toBeUndefined();
  });

  it('lies sealed on the disk, for its owner only', async () => {
    const home = await sandbox();
    await writeRotation(home, rotation);
    const directory = join(home, 'credentials');
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(directory)) {
      const path = join(directory, name);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      const text = await readFile(path, 'latin1');
      for (const secret of ['new/Secret+2', 'old/Secret+1', 'a password of its own']) {
        for (const form of secretForms(secret)) expect(text).not.toContain(form);
      }
    }
  });

  it('is refused when it was changed, or moved to another state directory', async () => {
    const home = await sandbox();
    await writeRotation(home, rotation);
    const path = join(home, 'credentials', 'aws.json');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace('run_20260101', 'run_20260102'));
    await expect(readRotation(home, 'aws', () => undefined)).rejects.toMatchObject({
      code: 'SEAL_BROKEN',
    });
    const other = await sandbox();
    await writeRotation(other, rotation);
    await writeFile(join(other, 'credentials', 'aws.json'), text);
    await expect(readRotation(other, 'aws', () => undefined)).rejects.toMatchObject({
      code: 'SEAL_BROKEN',
    });
  });

  it('keeps a second one off, and says how to go on', async () => {
    const home = await sandbox();
    await writeRotation(home, rotation);
    await requireNoOther(home, 'aws', rotation.runId);
    await requireNoOther(home, 'database', 'run_20260101_000000_000000');
    await expect(requireNoOther(home, 'aws', 'run_20260101_000000_000000')).rejects.toMatchObject({
      exitCode: 3,
      hint: expect.stringContaining('credentials rotate aws --continue'),
    });
  });
});

describe('the ledger', () => {
  it('knows when each credential was made, the newest first', async () => {
    const home = await sandbox();
    const note = (id: string, at: string) =>
      noteCredential(home, { kind: 'database', id, madeAt: at, by: 'rotation' });
    await note('a', '2026-01-01T00:00:00.000Z');
    await note('b', '2026-02-01T00:00:00.000Z');
    await note('a', '2026-03-01T00:00:00.000Z');
    const ledger = await readLedger(home);
    expect(ledger.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(madeAt(ledger, 'database', 'a')?.madeAt).toBe('2026-03-01T00:00:00.000Z');
    expect(madeAt(ledger, 'aws', 'a')).toBeUndefined();
  });
});
