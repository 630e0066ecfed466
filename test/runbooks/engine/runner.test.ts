import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  listening,
  no,
  nobody,
  type RunbookWorld,
  runbookWorld,
  yes,
} from '../../support/runbooks.js';
import { logOf, makeFiles, sample } from './sample.js';

let world: RunbookWorld;
let directory: string;

beforeEach(async () => {
  world = await runbookWorld({ database: false });
  directory = join(world.root, 'files');
  await makeFiles(directory, ['a.old', 'b.old', 'c.txt']);
});
afterEach(() => world.dispose());

it('runs check, plan, approval, acts and proof, and says succeeded', async () => {
  const { report, events } = await world.run(sample, { directory });
  expect(report).toMatchObject({ state: 'succeeded', exitCode: 0, resume: null, changed: true });
  expect(report.steps.map(({ id, kind, state }) => `${id} ${kind} ${state}`)).toEqual([
    'count check done',
    'plan plan done',
    'approve approve done',
    'remove act done',
    'note act done',
    'prove check done',
  ]);
  expect(await logOf(directory)).toEqual(['removed a.old', 'removed b.old', 'noted']);
  const journal = await world.journal(report.runId);
  expect(journal.map(({ event }) => event)).toEqual(
    events.filter(({ type }) => type !== 'output' && type !== 'progress'),
  );
});

it('what an act had to leave is said, and the exit code is 4, also after a resume', async () => {
  const verify = async () => ({ done: true, summary: 'Done.', remains: 'c.txt stays.' });
  const steps = sample.steps.map((step) =>
    step.kind === 'act' && step.id === 'remove' ? { ...step, verify } : step,
  );
  const partly = { ...sample, steps };
  const left = { state: 'succeeded', exitCode: 4, error: null, remains: 'c.txt stays.' };
  expect((await world.run(partly, { directory })).report).toMatchObject(left);
  await makeFiles(directory, ['d.old']);
  const stop = new AbortController();
  const stopped = await world.run(
    partly,
    { directory },
    {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === 'step.started' && event.step === 'note') stop.abort();
      },
    },
  );
  expect(stopped.report).toMatchObject({ state: 'interrupted', exitCode: 130, remains: null });
  expect((await world.resume(partly, stopped.report.runId)).report).toMatchObject(left);
});

it('a dry run makes the plan, asks nobody and touches nothing', async () => {
  const { ask, questions } = listening(yes('ada'));
  const { report } = await world.run(sample, { directory }, { ask, dryRun: true });
  expect(report).toMatchObject({ state: 'succeeded', changed: false });
  expect(report.plan?.targets.map(({ name }) => name)).toEqual(['a.old', 'b.old']);
  expect(questions).toEqual([]);
  expect(await logOf(directory)).toEqual([]);
});

it('a no changes nothing and is not success', async () => {
  const { report } = await world.run(sample, { directory }, { ask: no('ada') });
  expect(report).toMatchObject({ state: 'aborted', exitCode: 3, error: { code: 'DECLINED' } });
  expect(await logOf(directory)).toEqual([]);
});

it('without an answer it waits, and goes on with one', async () => {
  const first = await world.run(sample, { directory }, { ask: nobody });
  expect(first.report).toMatchObject({ state: 'waiting', exitCode: 3, changed: false });
  const second = await world.resume(sample, first.report.runId);
  expect(second.report).toMatchObject({ state: 'succeeded', runId: first.report.runId });
});

it('refuses when reality has changed since the plan was shown', async () => {
  const { report } = await world.run(
    sample,
    { directory },
    {
      ask: async (question) => {
        await writeFile(join(directory, 'new.old'), '');
        return yes('ada')(question);
      },
    },
  );
  expect(report).toMatchObject({ state: 'refused', exitCode: 3, error: { code: 'PLAN_CHANGED' } });
  expect(await logOf(directory)).toEqual([]);
});

it('without targets there is nothing to approve and nothing to do', async () => {
  const empty = join(world.root, 'empty');
  await makeFiles(empty, []);
  const { ask, questions } = listening(no('ada'));
  const { report } = await world.run(sample, { directory: empty }, { ask });
  expect(report).toMatchObject({ state: 'succeeded', changed: false });
  expect(questions).toEqual([]);
});

it('refuses inputs that do not fit, before anything is written', async () => {
  await expect(world.run(sample, { directory: 1 })).rejects.toMatchObject({
    code: 'INPUT_INVALID',
    exitCode: 2,
  });
});
