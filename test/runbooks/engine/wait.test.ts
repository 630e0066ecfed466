import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { defineRunbook } from '../../../src/runbooks/engine/definition.js';
import { listRuns } from '../../../src/runbooks/engine/history.js';
import { type RunbookWorld, runbookWorld } from '../../support/runbooks.js';

let world: RunbookWorld;
beforeAll(async () => {
  world = await runbookWorld({ database: false });
});
afterAll(() => world?.dispose());

const due = new Date('2030-01-02T00:00:00Z');
let acts = 0;

const runbook = defineRunbook({
  id: 'patient',
  title: 'Waits',
  summary: 'Waits for a time.',
  symptoms: [],
  tags: [],
  roles: ['admin'],
  risk: 'change',
  inputs: z.strictObject({}),
  targets: () => [],
  steps: [
    {
      kind: 'plan',
      id: 'plan',
      title: 'Plan',
      why: 'It has to be.',
      manual: () => 'true',
      run: async () => ({
        summary: 'One thing.',
        targets: [{ type: 'thing', name: 'one', action: 'change', state: {} }],
        totals: {},
        notes: [],
      }),
    },
    {
      kind: 'approve',
      id: 'approve',
      title: 'Approve',
      why: 'It has to be.',
      manual: () => 'true',
      name: () => 'one',
      question: () => 'Change it?',
    },
    {
      kind: 'act',
      id: 'first',
      title: 'Change it',
      why: 'It has to be.',
      manual: () => 'true',
      run: async () => {
        acts += 1;
        return {};
      },
      verify: async () => ({ done: acts > 0, summary: `${acts}` }),
    },
    {
      kind: 'wait',
      id: 'pause',
      title: 'Wait',
      why: 'It has to be.',
      manual: () => 'sleep 1d',
      ready: async ({ services }) =>
        services.now() < due
          ? { ready: false, due, reason: 'Not before the second of January.' }
          : { ready: true, summary: 'It is the second.' },
    },
  ],
});

it('a wait ends the run until its time has come, and what was done is not done again', async () => {
  world.clock.now = () => new Date('2030-01-01T00:00:00Z');
  const { report } = await world.run(runbook);
  expect(report).toMatchObject({
    state: 'waiting',
    exitCode: 4,
    due: due.toISOString(),
    reason: 'Not before the second of January.',
    resume: `reviewops runbook resume ${report.runId}`,
  });
  const { runs } = await listRuns(world.home, { now: new Date(), limit: 1 });
  expect(runs[0]).toMatchObject({ state: 'waiting', due: due.toISOString() });

  const early = await world.resume(runbook, report.runId);
  expect(early.report.state).toBe('waiting');

  world.clock.now = () => due;
  const late = await world.resume(runbook, report.runId);
  expect(late.report).toMatchObject({ state: 'succeeded', exitCode: 0, due: null });
  expect(late.report.steps.at(-1)).toMatchObject({ state: 'done', summary: 'It is the second.' });
  expect(acts).toBe(1);
});
