import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Lake } from '../../src/lake/lake.js';
import { openLocalLake } from '../../src/lake/local.js';
import { openRunLog, publishLeftoverLogs } from '../../src/pipeline/log.js';
import { thisProcess } from '../../src/system/owner.js';

let root: string;
let logs: string;
let lake: Lake;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'reviewops-log-'));
  logs = join(root, 'logs');
  await mkdir(logs);
  lake = openLocalLake(join(root, 'lake'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('logs that killed runs left', () => {
  it('are delivered once each, whatever number of runs starts at the same time', async () => {
    // No process has such a number.
    const owner = { ...thisProcess(), pid: 2 ** 30 };
    const names = Array.from({ length: 12 }, (_, index) => `run-${index + 10}`);
    for (const name of names)
      await writeFile(join(logs, `${name}.jsonl`), `${JSON.stringify({ owner })}\n`);
    const delivered = await Promise.all(
      Array.from({ length: 6 }, () => publishLeftoverLogs(logs, openLocalLake(join(root, 'lake')))),
    );
    expect(delivered.flat().sort()).toEqual(names);
    expect(await readdir(logs)).toEqual([]);
    for (const name of names) expect(await lake.head(`logs/${name}.jsonl`)).toBeDefined();
  });
});

describe('a log on a full disk', () => {
  it.skipIf(!existsSync('/dev/full'))(
    'ends no run; delivering it tells (needs /dev/full)',
    async () => {
      await symlink('/dev/full', join(logs, 'run.jsonl'));
      const log = await openRunLog(logs, 'run', (text) => text);
      log.logger('load').info({ rows: 1 }, 'still at work');
      await expect(log.publish(lake)).rejects.toMatchObject({ code: 'DISK_FULL' });
    },
  );
});
