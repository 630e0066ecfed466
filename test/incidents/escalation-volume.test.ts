import { afterEach, beforeEach, expect, it } from 'vitest';
import type { DatabaseClient } from '../../src/database/client.js';
import { escalateDue } from '../../src/incidents/work.js';
import { fillIncidents, type IncidentWorld, incidentWorld } from '../support/incidents.js';

/** Many incidents that are due at once: pages of them, each with a handful of statements. */

const incidents = 2_400;
const open = incidents / 2;
const incidentsConfig = { channels: [{ name: 'hook', kind: 'webhook' }] };

let world: IncidentWorld;
beforeEach(async () => {
  world = await incidentWorld();
  await fillIncidents(world.client, incidents, world.clock.now);
});
afterEach(() => world.dispose());

/** The same connection, with what is sent over it counted. */
function counted(client: DatabaseClient): { client: DatabaseClient; statements: () => number } {
  let statements = 0;
  const count =
    <Args extends unknown[], Result>(call: (...args: Args) => Result) =>
    (...args: Args): Result => {
      statements += 1;
      return call(...args);
    };
  const wrapped = Object.create(client, {
    query: { value: count(client.query.bind(client)) },
    execute: { value: count(client.execute.bind(client)) },
    transaction: { value: client.transaction.bind(client) },
  }) as DatabaseClient;
  return { client: wrapped, statements: () => statements };
}

/** Every call and status message once, and told of once. */
async function expectOnce(): Promise<void> {
  const [written] = await world.client.query<Record<string, number>>(
    `SELECT count(DISTINCT incident_id)::integer AS called,
            count(*)::integer AS events, count(DISTINCT (incident_id, key))::integer AS keys
     FROM maintenance.incident_events WHERE type IN ('escalated', 'status')`,
  );
  expect(written).toMatchObject({ called: open });
  expect(written?.keys).toBe(written?.events);
  const [told] = await world.client.query<Record<string, number>>(
    `SELECT count(*)::integer AS messages FROM maintenance.incident_outbox`,
  );
  expect(told?.messages).toBe(written?.events);
}

it('takes a handful of statements for each 500, and does nothing the next time', async () => {
  const { client, statements } = counted(world.client);
  const store = world.store(incidentsConfig, client);
  const done = await escalateDue(store);
  expect(done).toMatchObject({ incidents: open });
  expect(done.ids).toHaveLength(200);
  // Three pages; one statement an incident would be 1,200.
  expect(statements()).toBeLessThan(40);
  await expectOnce();
  expect(await escalateDue(store)).toEqual({ incidents: 0, ids: [], calls: 0, statuses: 0 });
});

it('two at once do it once', async () => {
  const [one, two] = await Promise.all([world.database.client(), world.database.client()]);
  const both = await Promise.all(
    [one, two].map((client) => escalateDue(world.store(incidentsConfig, client))),
  );
  expect(both.reduce((sum, done) => sum + done.incidents, 0)).toBe(open);
  await expectOnce();
});

it('one whose connection is cut leaves whole pages, and the next does the rest', async () => {
  const client = await world.database.client();
  const [session] = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  let pages = 0;
  const cut = Object.create(client, {
    query: { value: client.query.bind(client) },
    execute: { value: client.execute.bind(client) },
    transaction: {
      value: async (work: () => Promise<unknown>) => {
        pages += 1;
        if (pages !== 2) return client.transaction(work);
        return client.transaction(async () => {
          await work();
          await world.client.query('SELECT pg_terminate_backend($1)', [session?.pid]);
        });
      },
    },
  }) as DatabaseClient;
  await expect(escalateDue(world.store(incidentsConfig, cut))).rejects.toThrow();
  const [left] = await world.client.query<{ called: number }>(
    `SELECT count(DISTINCT incident_id)::integer AS called FROM maintenance.incident_events
     WHERE type = 'escalated'`,
  );
  expect(left?.called).toBe(500);
  expect((await escalateDue(world.store(incidentsConfig))).incidents).toBe(open - 500);
  await expectOnce();
});
