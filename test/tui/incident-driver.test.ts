import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createContext } from '../../src/cli/create-context.js';
import { checklistItems } from '../../src/incidents/events.js';
import { listIncidents } from '../../src/incidents/read-model.js';
import { readIncident } from '../../src/incidents/store.js';
import { IncidentDriver } from '../../src/tui/effects/incident-driver.js';
import type { IncidentChange, Message } from '../../src/tui/state/model.js';
import { type IncidentWorld, incidentWorld, openOne } from '../support/incidents.js';
import { report } from './support.js';

/** What the keys of the screen do to a real database, and to one that is gone. */

const nowhere = 'postgresql://u:some-password@127.0.0.1:1/x?sslmode=disable';

let world: IncidentWorld;
let home: string;
beforeEach(async () => {
  world = await incidentWorld();
  world.clock.now = new Date();
  home = await mkdtemp(join(tmpdir(), 'reviewops-driver-'));
  vi.stubEnv('NEON_DB_URL', world.database.target.url);
});
afterEach(async () => {
  await world.dispose();
  await rm(home, { recursive: true, force: true });
});

const context = () =>
  createContext(
    {
      ...{ home, config: undefined, profile: undefined, json: false, quiet: true },
      ...{ verbose: false, 'no-color': true, 'no-input': true },
    },
    { argv: ['tui'], tool: { name: 'reviewops', version: 'test' }, say: () => undefined },
  );

/** Does them one after the other; gives what the screen is told. */
async function change(...changes: IncidentChange[]): Promise<Message[]> {
  const told: Message[] = [];
  const driver = new IncidentDriver((message) => told.push(message), context);
  for (const one of changes) driver.begin({ type: 'incident', change: one, readOnly: false });
  await driver.ended;
  return told;
}

const said = (messages: readonly Message[]) =>
  messages.map((message) =>
    message.type === 'incident.changed' ? `${message.tone}: ${message.text}` : message.type,
  );

const spooled = () => readdir(join(home, 'incidents', 'spool')).catch(() => []);

it('acknowledges, escalates and notes, in the order of the keys', async () => {
  const { id } = await openOne(world.store(), { severity: 'P1' });
  const told = await change(
    { to: 'escalate', id },
    { to: 'acknowledge', id },
    { to: 'incident-note', id, text: 'it is the disk' },
  );
  expect(said(told)).toEqual([
    `good: The next of the chain is called for incident #${id}.`,
    `good: Incident #${id} is acknowledged.`,
    `good: Noted with incident #${id}.`,
  ]);
  const { state, events } = await readIncident(world.client, id);
  expect(state.status).toBe('acknowledged');
  expect(state.calls.map(({ role, reason }) => `${role}: ${reason}`)).toEqual([
    'support: opened',
    'data-engineer: time',
    'admin: person',
  ]);
  expect(events.slice(-3).map(({ event }) => event.type)).toEqual([
    'escalated',
    'acknowledged',
    'noted',
  ]);
});

it('resolves with the cause and closes with the whole checklist; what is not resolved is not closed', async () => {
  const { id } = await openOne(world.store(), { severity: 'P2' });
  const told = await change(
    { to: 'close', id },
    { to: 'resolve', id, rootCause: 'the disk was full' },
    { to: 'close', id },
  );
  expect(said(told)).toEqual([
    expect.stringContaining(`bad: Incident ${id} is open and cannot be closed`),
    `good: Incident #${id} is resolved.`,
    `good: Incident #${id} is closed.`,
  ]);
  const { state } = await readIncident(world.client, id);
  expect(state).toMatchObject({
    status: 'closed',
    rootCause: 'the disk was full',
    checklist: checklistItems,
  });
});

it('opens an incident while the database is down, once, and says why nothing else can be changed', async () => {
  vi.stubEnv('NEON_DB_URL', nowhere);
  const run = { report, input: { keep: 3 } };
  const told = said(
    await change(
      { to: 'open', severity: 'P2', summary: 'the shop is empty', run },
      { to: 'acknowledge', id: 1 },
    ),
  );
  expect(told[0]).toBe(
    'good: The incident waits on this machine until the database can be reached.',
  );
  expect(told[1]).toMatch(/^bad: .*127\.0\.0\.1:1/);
  expect(told.join()).not.toContain('some-password');
  expect(await spooled()).toHaveLength(1);

  vi.stubEnv('NEON_DB_URL', world.database.target.url);
  // Whatever reaches the database next hands it over; two that do so at once do it once.
  const { id } = await openOne(world.store());
  await Promise.all([
    change({ to: 'acknowledge', id }),
    change({ to: 'incident-note', id, text: 'now' }),
  ]);
  expect(await spooled()).toEqual([]);
  const { incidents } = await listIncidents(world.store(), { limit: 10 });
  expect(incidents.filter(({ summary }) => summary === 'the shop is empty')).toMatchObject([
    { severity: 'P2', source: 'person' },
  ]);
});
