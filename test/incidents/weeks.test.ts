import { afterAll, beforeAll, expect, it } from 'vitest';
import { readIncident } from '../../src/incidents/store.js';
import { act, escalateDue } from '../../src/incidents/work.js';
import { type IncidentWorld, incidentWorld, openOne } from '../support/incidents.js';

let world: IncidentWorld;
beforeAll(async () => {
  world = await incidentWorld();
});
afterAll(() => world.dispose());

it('three weeks of cron, every half hour: each call in its time and once, each status message once', async () => {
  const store = world.store();
  const start = world.clock.now.getTime();
  const opened = [];
  for (const severity of ['P1', 'P2', 'P3', 'P4'] as const) {
    opened.push((await openOne(store, { severity })).id);
  }
  for (let step = 0; step < 21 * 48; step += 1) {
    world.later(30);
    await escalateDue(store);
    if (step % 100 === 0) await escalateDue(store);
    // Somebody answers the P1 after two hours; the others are left alone.
    if (step === 3) await act(store, opened[0] ?? 0, { type: 'acknowledge' }, 'ada');
  }
  const calls: string[][] = [];
  for (const id of opened) {
    const { state } = await readIncident(world.client, id);
    calls.push(
      state.calls.map(
        ({ at, role, reason }) => `${(at.getTime() - start) / 3_600_000} h ${role}: ${reason}`,
      ),
    );
  }
  expect(calls).toEqual([
    [
      '0 h support: opened',
      '0 h data-engineer: time',
      '0.5 h admin: unacknowledged',
      '1 h it-manager: unacknowledged',
      '4 h it-manager: resolve',
    ],
    [
      '0 h data-engineer: opened',
      '0.5 h admin: unacknowledged',
      '2 h admin: time',
      '8 h admin: resolve',
    ],
    ['0 h data-engineer: opened', '24 h data-engineer: time', '48 h data-engineer: resolve'],
    ['0 h data-engineer: opened', '120 h data-engineer: resolve', '168 h data-engineer: time'],
  ]);
  const { state } = await readIncident(world.client, opened[0] ?? 0);
  expect(state.statusWindows.map(({ window }) => window)).toEqual(
    Array.from({ length: 21 * 48 }, (_, index) => index + 1),
  );
}, 240_000);
