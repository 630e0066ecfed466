import { afterAll, beforeAll, expect, it } from 'vitest';
import { listIncidents, showIncident } from '../../src/incidents/read-model.js';
import { monthlyReport } from '../../src/incidents/report.js';
import { inTransaction } from '../../src/incidents/store.js';
import { type IncidentWorld, incidentWorld } from '../support/incidents.js';

let world: IncidentWorld;

/** Half of them open, with three events each. */
beforeAll(async () => {
  world = await incidentWorld();
  await inTransaction(world.store(), async () => {
    await world.client.execute(
      `INSERT INTO maintenance.incidents
         (opened_at, severity, status, summary, source, cause, closed_at)
       SELECT ($1::timestamptz AT TIME ZONE 'UTC') - i * interval '5 minutes', 'P' || (1 + i % 4),
              CASE WHEN i % 2 = 0 THEN 'open' ELSE 'closed' END, 'load ' || i, 'pipeline', 'c' || i,
              CASE WHEN i % 2 = 0 THEN NULL ELSE $1::timestamptz AT TIME ZONE 'UTC' END
       FROM generate_series(1, 100000) i`,
      [world.clock.now],
    );
    await world.client.execute(
      `INSERT INTO maintenance.incident_events (incident_id, seq, at, type, by, data)
       SELECT incident_id, seq, opened_at AT TIME ZONE 'UTC' + seq * interval '1 second',
              (ARRAY['opened', 'noted', 'acknowledged'])[seq + 1], 'ada',
              CASE seq WHEN 0 THEN jsonb_build_object('uid', incident_id::text, 'source', source,
                'summary', summary, 'severity', severity)
                WHEN 1 THEN '{"text": "t"}' ELSE '{}' END
       FROM maintenance.incidents, generate_series(0, 2) seq`,
    );
  });
  await world.client.execute('ANALYZE maintenance.incidents, maintenance.incident_events');
});
afterAll(() => world.dispose());

/** The best of three: what the machine does besides is not the question. */
async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const started = performance.now();
    await work();
    times.push(performance.now() - started);
  }
  return Math.min(...times);
}

it('lists and shows among 100,000 incidents below 300 ms', async () => {
  const store = world.store();
  const { incidents, more } = await listIncidents(store, { limit: 50 });
  expect(incidents).toHaveLength(50);
  expect(more).toBe(true);
  expect(incidents.every(({ severity }) => severity === 'P1')).toBe(true);
  expect(await milliseconds(() => listIncidents(store, { limit: 50 }))).toBeLessThan(300);
  expect(await milliseconds(() => listIncidents(store, { limit: 50, all: true }))).toBeLessThan(
    300,
  );
  expect(await milliseconds(() => showIncident(store, 50_000))).toBeLessThan(300);
});

it('reports on a month among them within seconds', async () => {
  const { opened } = await monthlyReport(world.store(), '2026-10');
  expect(opened).toBe(31 * 24 * 12);
});
