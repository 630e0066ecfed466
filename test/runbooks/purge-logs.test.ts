import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import purgeLogs from '../../src/runbooks/purge-logs.js';
import { thisProcess } from '../../src/system/owner.js';
import { keysOf } from '../maintenance/support.js';
import { listening, type RunbookWorld, runbookWorld, yes } from '../support/runbooks.js';

const old = new Date('2026-01-15T12:00:00.000Z');
const older = new Date('2025-12-24T12:00:00.000Z');
const recent = new Date('2026-03-30T12:00:00.000Z');

let world: RunbookWorld;
let leftovers: string;
beforeEach(async () => {
  world = await runbookWorld({ database: false });
  world.clock.now = () => new Date('2026-03-31T12:00:00.000Z');
  for (const [name, time] of [
    ['old-1.jsonl', old],
    ['old-2.jsonl', old],
    ['older.jsonl', older],
    ['recent.jsonl', recent],
    ['last_run_metrics.json', older],
  ] as const) {
    await world.lake.put(`logs/${name}`, `${name}\n`);
    await utimes(join(world.root, 'data', 'logs', name), time, time);
  }
  leftovers = join(world.home, 'logs');
  await mkdir(leftovers, { recursive: true });
  for (const [name, owner] of [
    ['killed.jsonl', { ...thisProcess(), pid: 999_999_999 }],
    ['cut-short.jsonl', undefined],
    ['at-work.jsonl', thisProcess()],
  ] as const) {
    await writeFile(
      join(leftovers, name),
      owner === undefined ? '{"lev' : `${JSON.stringify({ owner })}\n`,
    );
    await utimes(join(leftovers, name), old, old);
  }
});
afterEach(() => world.dispose());

describe('purge-logs', () => {
  it('deletes logs over 30 days old, in the lake and left behind, and nothing else', async () => {
    const { ask, questions } = listening(yes('ada'));
    const { report } = await world.run(purgeLogs, {}, { ask });
    expect(report).toMatchObject({ state: 'succeeded', exitCode: 0 });
    expect(questions[0]).toMatchObject({ name: 'logs', count: 3, risk: 'destroy' });
    expect(report.plan?.targets.map(({ name, state }) => [name, state.objects])).toEqual([
      ['lake 2025-12', 1],
      ['lake 2026-01', 2],
      ['local 2026-01', 2],
    ]);
    expect(await keysOf(world.lake, 'logs/')).toEqual([
      'logs/last_run_metrics.json',
      'logs/recent.jsonl',
    ]);
    expect(await readdir(leftovers)).toEqual(['at-work.jsonl']);
    expect(report.steps.at(-1)).toMatchObject({
      verified: { done: true, evidence: { objectsDeleted: 5, objectsLeft: 0 } },
    });
    expect((await world.run(purgeLogs)).report.plan?.targets).toEqual([]);
  });

  it('leaves a log that was written again since the plan', async () => {
    const { report } = await world.run(
      purgeLogs,
      { olderThan: '60d' },
      {
        ask: async () => {
          await world.lake.put('logs/old-1.jsonl', 'again');
          return { type: 'yes', by: 'ada', how: 'test' };
        },
      },
    );
    expect(report).toMatchObject({ state: 'refused', error: { code: 'PLAN_CHANGED' } });
    expect(await keysOf(world.lake, 'logs/')).toHaveLength(5);
  });

  it('does not understand every age', async () => {
    await expect(world.run(purgeLogs, { olderThan: 'a month' })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      exitCode: 2,
    });
  });
});
