import { spawn } from 'node:child_process';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { activeRuns, endInterrupted } from '../../../src/runbooks/engine/run-lock.js';
import type { RunReport } from '../../../src/runbooks/engine/runner.js';
import { crashAt, crashMatrix } from '../../support/crash-matrix.js';
import type { ChildRequest } from '../../support/runbook-child.js';
import { type RunbookWorld, runbookWorld } from '../../support/runbooks.js';
import { ended } from '../../support/tasks.js';
import { logOf, makeFiles, sample } from './sample.js';

const filesOf = (world: RunbookWorld): string => join(world.root, 'files');

const makeWorld = async (): Promise<RunbookWorld> => {
  const world = await runbookWorld({ database: false });
  await makeFiles(filesOf(world), ['a.old', 'b.old', 'c.txt']);
  return world;
};

/** What is left, and how often each thing was done. */
const picture = async (world: RunbookWorld) => ({
  files: (await readdir(filesOf(world))).sort(),
  log: await logOf(filesOf(world)),
  leases: (await readdir(join(world.root, 'data', 'leases'))).filter(
    (name) => !name.startsWith('.'),
  ),
});

/** Position of the last entry before the first act touches anything. */
const actStarted = 10;

const input = (world: RunbookWorld) => ({ directory: filesOf(world) });

it('killed at every transition of its journal, it ends as if nothing had been', async () => {
  const points = await crashMatrix(sample, { makeWorld, input, picture });
  // Start, 6 steps with begin and end, plan, approval, 2 acts, end: before and after each.
  expect(points).toBe(36);
});

let world: RunbookWorld;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.dispose());

const watch = () => ({ now: () => new Date(), signal: new AbortController().signal });

it('is never "running" for ever after a crash (rundeck#7139, #3993)', async () => {
  const runId =
    (await crashAt(world, sample, { input }, { entry: actStarted, when: 'after' })) ?? '';
  expect([...(await activeRuns(world.home, new Date()))]).toEqual([]);
  expect(await endInterrupted(world.home, watch())).toEqual([runId]);
  expect((await world.journal(runId)).at(-1)?.event).toMatchObject({
    type: 'run.finished',
    state: 'interrupted',
  });
  // Found once, not each time.
  expect(await endInterrupted(world.home, watch())).toEqual([]);
});

it('an act that was half done is probed, and only the rest of it is done', async () => {
  const runId =
    (await crashAt(world, sample, { input }, { entry: actStarted, when: 'after' })) ?? '';
  const entries = await world.journal(runId);
  expect(entries.at(-1)?.event.type).toBe('act.started');
  await rm(join(filesOf(world), 'a.old'));
  const { report } = await world.resume(sample, runId);
  expect(report.state).toBe('succeeded');
  expect(await logOf(filesOf(world))).toEqual(['removed b.old', 'noted']);
});

it('a line cut short by the crash is dropped, and the chain stays whole', async () => {
  const runId =
    (await crashAt(world, sample, { input }, { entry: actStarted, when: 'after' })) ?? '';
  const path = join(world.home, 'runs', `${runId}.jsonl`);
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.slice(0, -20));
  const { report } = await world.resume(sample, runId);
  expect(report.state).toBe('succeeded');
  await world.journal(runId);
});

it('what was approved before reality changed is refused after the crash, too', async () => {
  const runId =
    (await crashAt(world, sample, { input }, { entry: actStarted, when: 'before' })) ?? '';
  await writeFile(join(filesOf(world), 'new.old'), '');
  const { report } = await world.resume(sample, runId);
  expect(report).toMatchObject({ state: 'refused', error: { code: 'PLAN_CHANGED' } });
  expect(await logOf(filesOf(world))).toEqual([]);
});

const child = fileURLToPath(new URL('../../support/runbook-child.ts', import.meta.url));

const request = (more: Partial<ChildRequest>): ChildRequest => ({
  module: new URL('./sample.ts', import.meta.url).href,
  name: 'sample',
  root: world.root,
  home: world.home,
  lake: join(world.root, 'data'),
  input: input(world),
  ...more,
});

const runChild = (more: Partial<ChildRequest>) =>
  ended(
    spawn(process.execPath, ['--import', 'tsx', child, JSON.stringify(request(more))], {
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );

const reportOf = (stdout: string): RunReport => JSON.parse(stdout.trim().split('\n').at(-1) ?? '');

it.each([
  { entry: 5, when: 'after' },
  { entry: actStarted, when: 'after' },
  { entry: actStarted + 1, when: 'before' },
] as const)('a real SIGKILL $when entry $entry leaves the same', async (kill) => {
  const killed = await runChild({ kill });
  expect(killed.signal, killed.stderr).toBe('SIGKILL');
  const [runId] = await endInterrupted(world.home, watch());
  const resumed = await runChild({ runId: runId ?? '' });
  expect(resumed.status, resumed.stderr).toBe(0);
  expect(reportOf(resumed.stdout)).toMatchObject({ state: 'succeeded', runId });
  expect(await picture(world)).toEqual({
    files: ['c.txt', 'log', 'note'],
    log: ['removed a.old', 'removed b.old', 'noted'],
    leases: [],
  });
});
