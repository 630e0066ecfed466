import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RunControls } from '../../../src/runbooks/engine/controls.js';
import { startRun } from '../../../src/runbooks/engine/runner.js';
import { collect, type RunbookWorld, runbookWorld, yes } from '../../support/runbooks.js';
import { makeFiles, sample } from './sample.js';

describe('what a person says while a run goes on', () => {
  let world: RunbookWorld;
  let directory: string;
  beforeAll(async () => {
    world = await runbookWorld({ database: false });
    directory = join(world.root, 'files');
    await makeFiles(directory, ['a.old']);
  });
  afterAll(() => world.dispose());

  it('notes stand in the journal; what informs is left out with its reason, what proves is not', async () => {
    const controls = new RunControls();
    controls.skip('count', 'ada', 'counted by hand');
    controls.skip('prove', 'ada', 'no time');
    controls.skip('remove', 'ada', 'no time');
    const { services } = world;
    const options = { services, ask: yes('ada'), signal: new AbortController().signal, controls };
    const { report } = await collect(startRun(sample, { directory }, options), {
      onEvent: (event) => {
        if (event.type !== 'plan.made') return;
        controls.note({ by: 'ada', text: 'looks right', step: event.step }).catch(() => undefined);
      },
    });
    expect(report.state).toBe('succeeded');
    const states = Object.fromEntries(report.steps.map(({ id, state }) => [id, state]));
    expect(states).toMatchObject({ count: 'skipped', remove: 'done', prove: 'done' });
    expect(report.steps[0]?.summary).toBe('Skipped by ada: counted by hand');
    const events = (await world.journal(report.runId)).map(({ event }) => event);
    expect(events).toContainEqual({ type: 'note', by: 'ada', text: 'looks right', step: 'plan' });
  });
});
