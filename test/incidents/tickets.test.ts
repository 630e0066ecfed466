import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { statuses } from '../../src/incidents/events.js';
import { type ListFilter, listIncidents, showIncident } from '../../src/incidents/read-model.js';
import { recordRecoveries, recordSignal } from '../../src/incidents/signals.js';
import { readIncident } from '../../src/incidents/store.js';
import type { Action } from '../../src/incidents/transitions.js';
import { act, escalateDue } from '../../src/incidents/work.js';
import { type IncidentWorld, incidentWorld, openOne, see, signalOf } from '../support/incidents.js';

let world: IncidentWorld;
beforeAll(async () => {
  world = await incidentWorld();
});
afterAll(() => world.dispose());

const all = ['symptom-gone', 'quality-tests', 'no-new-alert', 'logs', 'communicated'] as const;

describe('a ticket', () => {
  it('goes from opened to closed, and its columns follow', async () => {
    const store = world.store();
    const { id } = await openOne(store, { severity: 'P2', batchId: '20261116_090000' });
    world.later(10);
    await act(store, id, { type: 'acknowledge' }, 'ada');
    await act(store, id, { type: 'assign', owner: 'ada' }, 'ada');
    world.later(50);
    await act(store, id, { type: 'resolve', rootCause: 'disk full', action: 'purged' }, 'ada');
    await expect(
      act(store, id, { type: 'close', checklist: ['logs'] }, 'ada'),
    ).rejects.toMatchObject({ code: 'CHECKLIST_INCOMPLETE', exitCode: 3 });
    await act(store, id, { type: 'close', checklist: all }, 'ada');
    const [row] = await world.client.query(
      `SELECT severity, status, batch_id, root_cause, action_taken, owner, closed_at IS NOT NULL AS closed
       FROM maintenance.incidents WHERE incident_id = $1`,
      [id],
    );
    expect(row).toEqual({
      severity: 'P2',
      status: 'closed',
      batch_id: '20261116_090000',
      root_cause: 'disk full',
      action_taken: 'purged',
      owner: 'ada',
      closed: true,
    });
    const detail = await showIncident(store, id);
    expect(detail).toMatchObject({ respondedBy: 'ada', breached: false, respondBy: null });
    expect(detail.clocks.respond.metAt).not.toBeNull();
  });

  it('is not reopened by an acknowledgement that comes after it was resolved', async () => {
    const store = world.store();
    const { id } = await openOne(store);
    await act(store, id, { type: 'resolve' }, 'ada');
    await expect(act(store, id, { type: 'acknowledge' }, 'bob')).rejects.toMatchObject({
      code: 'INCIDENT_STATE',
      exitCode: 3,
    });
    expect((await readIncident(world.client, id)).state.status).toBe('resolved');
  });

  it('loses nothing when many people work on it at once', async () => {
    const { id } = await openOne(world.store());
    const clients = await Promise.all([1, 2, 3, 4].map(() => world.database.client()));
    await Promise.all(
      clients.map((client, person) =>
        act(world.store({}, client), id, { type: 'note', text: 'n' }, `p${person}`),
      ),
    );
    const outcomes = await Promise.allSettled([
      act(world.store({}, clients[0]), id, { type: 'acknowledge' }, 'ada'),
      act(world.store({}, clients[1]), id, { type: 'resolve' }, 'bob'),
      act(world.store({}, clients[2]), id, { type: 'acknowledge' }, 'cleo'),
    ]);
    expect(outcomes[1]?.status).toBe('fulfilled');
    const { state, events } = await readIncident(world.client, id);
    expect(state.status).toBe('resolved');
    expect(events.filter(({ event }) => event.type === 'noted')).toHaveLength(4);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index));
  });

  it('is merged into another, which its cause leads to from then on', async () => {
    const store = world.store();
    const [one, other] = [
      await openOne(store, { cause: 'm/1' }),
      await openOne(store, { cause: 'm/2' }),
    ];
    await act(store, one.id, { type: 'merge', into: other.id }, 'ada');
    const again = await see(store, { cause: 'm/1' });
    expect(again).toMatchObject({ outcome: 'occurred', incident: { id: other.id } });
    await expect(act(store, other.id, { type: 'merge', into: one.id }, 'ada')).rejects.toThrow();
  });

  it('holds what is written by hand, and its log cannot be changed', async () => {
    const [row] = await world.client.query<{ incident_id: number }>(
      "INSERT INTO maintenance.incidents (severity, status, summary) VALUES ('p1', 'open', 'by hand') RETURNING incident_id",
    );
    const id = row?.incident_id ?? 0;
    expect(await showIncident(world.store(), id)).toMatchObject({ severity: 'P1', status: 'open' });
    await world.client.execute(
      "UPDATE maintenance.incidents SET status = 'fixed', owner = 'eve' WHERE incident_id = $1",
      [id],
    );
    const detail = await showIncident(world.store(), id);
    expect(detail).toMatchObject({ status: 'resolved', owner: 'eve' });
    expect(detail.events.map(({ type }) => type)).toEqual(['recorded', 'edited']);
    for (const sql of [
      'UPDATE maintenance.incident_events SET by = $1',
      'DELETE FROM maintenance.incident_events WHERE by <> $1',
    ]) {
      await expect(world.client.execute(sql, ['mallory'])).rejects.toThrow(
        /never changed or removed/,
      );
    }
    await world.client.execute('DELETE FROM maintenance.incidents WHERE incident_id = $1', [id]);
    await world.client.query("SELECT setval('maintenance.incidents_incident_id_seq', $1, false)", [
      id,
    ]);
    const next = await openOne(world.store());
    expect(next.id).toBeGreaterThan(id);
  });
});

describe('whatever people do', () => {
  const step = fc.constantFrom<Action>(
    { type: 'acknowledge' },
    { type: 'pause', reason: 'r' },
    { type: 'continue' },
    { type: 'severity', severity: 'P1', reason: 'r' },
    { type: 'severity', severity: 'P4', reason: 'r' },
    { type: 'resolve' },
    { type: 'close', checklist: all },
    { type: 'close', checklist: [] },
    { type: 'reopen', reason: 'r' },
    { type: 'note', text: 't' },
  );

  it('the ticket is in a known state, its columns say the same, and it is closed only when resolved', async () => {
    const store = world.store();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (actions) => {
        const { id } = await openOne(store);
        let before = 'open';
        for (const action of actions) {
          world.later(1);
          await act(store, id, action, 'ada').catch((error: { exitCode?: number }) => {
            expect(error.exitCode).toBe(3);
          });
          const { state } = await readIncident(world.client, id);
          expect(statuses).toContain(state.status);
          if (state.status === 'closed') expect(['resolved', 'closed']).toContain(before);
          before = state.status;
        }
        const [row] = await world.client.query<{ status: string; closed: boolean }>(
          'SELECT status, closed_at IS NOT NULL AS closed FROM maintenance.incidents WHERE incident_id = $1',
          [id],
        );
        expect(row).toEqual({ status: before, closed: before === 'closed' });
      }),
      { numRuns: 25 },
    );
  });
});

describe('a cause', () => {
  it('opens one ticket, whoever notices and however often', async () => {
    const clients = await Promise.all([1, 2, 3].map(() => world.database.client()));
    const seen = await Promise.all(
      clients.map((client, index) =>
        see(world.store({}, client), { cause: 'error/DATABASE_UNREACHABLE', runId: `r${index}` }),
      ),
    );
    expect(new Set(seen.map(({ incident }) => incident.id)).size).toBe(1);
    expect(seen.map(({ outcome }) => outcome).sort()).toEqual(['occurred', 'occurred', 'opened']);
    const other = await see(world.store(), { cause: 'error/S3_UNREACHABLE' });
    expect(other.outcome).toBe('opened');
  });

  it('is delivered once, however often it is delivered', async () => {
    const signal = signalOf(world.clock.now, { cause: 'twice' });
    const first = await recordSignal(world.store(), signal);
    const second = await recordSignal(world.store(), signal);
    expect([first.outcome, second.outcome]).toEqual(['opened', 'known']);
    expect((await readIncident(world.client, first.incident.id)).state.occurrences).toHaveLength(1);
  });

  it('reopens its ticket when it returns, but not by what was seen before it was resolved', async () => {
    const store = world.store();
    const finding = { cause: 'back', check: 'gold', source: 'health' as const };
    const { incident } = await see(store, finding);
    expect((await see(store, finding)).outcome).toBe('still');
    const early = signalOf(world.clock.now, { ...finding, runId: 'late-delivery' });
    world.later(5);
    await recordRecoveries(store, {
      id: 'r1',
      at: world.clock.now,
      checks: [{ check: 'gold', summary: 'ok' }],
    });
    await act(store, incident.id, { type: 'resolve' }, 'ada');
    world.later(5);
    expect((await recordSignal(store, early)).outcome).toBe('occurred');
    expect((await readIncident(world.client, incident.id)).state.status).toBe('resolved');
    const back = await see(store, finding);
    expect(back).toMatchObject({ outcome: 'reopened', incident: { id: incident.id } });
    expect(back.incident.state.cycles).toHaveLength(2);
  });

  it('that keeps coming is marked for a review of the architecture; after a long time it is a new one', async () => {
    const store = world.store({ repeatTimes: 3, repeatDays: 30, reopenDays: 7 });
    const seen = [];
    for (const minutes of [0, 60, 60, 60 * 24 * 20]) {
      world.later(minutes);
      const { incident, outcome } = await see(store, {
        cause: 'again',
        runId: `run ${seen.length}`,
      });
      seen.push([outcome, incident.state.reviewDue]);
      world.later(10);
      await act(store, incident.id, { type: 'resolve' }, 'ada');
    }
    expect(seen).toEqual([
      ['opened', false],
      ['reopened', false],
      ['reopened', true],
      ['opened', true],
    ]);
  });

  it('raises the level to the worst of what was seen', async () => {
    const store = world.store();
    await see(store, { cause: 'worse', severity: 'P3' });
    const { incident } = await see(store, { cause: 'worse', severity: 'P1' });
    expect(incident.state.severity).toBe('P1');
    expect((await see(store, { cause: 'worse', severity: 'P4' })).incident.state.severity).toBe(
      'P1',
    );
  });
});

describe('escalation', () => {
  const calls = async (id: number) =>
    (await readIncident(world.client, id)).state.calls.map(
      ({ role, reason }) => `${role}: ${reason}`,
    );

  it('walks the chain of a P1 by the half hour, and no further once somebody answered', async () => {
    const store = world.store();
    const { id } = await openOne(store, { severity: 'P1' });
    expect(await calls(id)).toEqual(['support: opened', 'data-engineer: time']);
    world.later(29);
    await escalateDue(store);
    expect(await calls(id)).toHaveLength(2);
    world.later(1);
    await escalateDue(store);
    await escalateDue(store);
    expect((await calls(id)).slice(2)).toEqual(['admin: unacknowledged']);
    await act(store, id, { type: 'acknowledge' }, 'ada');
    world.later(60);
    await escalateDue(store);
    expect(await calls(id)).toHaveLength(3);
    world.later(160);
    await escalateDue(store);
    expect((await calls(id)).slice(3)).toEqual(['it-manager: resolve']);
    await act(store, id, { type: 'resolve' }, 'ada');
    world.later(10_000);
    await escalateDue(store);
    expect(await calls(id)).toHaveLength(4);
  });

  it('does once what is due when two do it at once', async () => {
    const store = world.store();
    const { id } = await openOne(store, { severity: 'P1' });
    world.later(31);
    const clients = await Promise.all([1, 2, 3].map(() => world.database.client()));
    await Promise.all(clients.map((client) => escalateDue(world.store({}, client))));
    expect(await calls(id)).toHaveLength(3);
    const { state } = await readIncident(world.client, id);
    expect(state.statusWindows).toHaveLength(1);
    await act(store, id, { type: 'resolve' }, 'ada');
  });

  it('sends a status message every half hour, also in a pause, and one for what was missed', async () => {
    const store = world.store();
    const { id } = await openOne(store, { severity: 'P1' });
    await act(store, id, { type: 'pause', reason: 'the provider works on it' }, 'ada');
    for (let step = 0; step < 24; step += 1) {
      world.later(30);
      await escalateDue(store);
    }
    const count = async () => (await readIncident(world.client, id)).state.statusWindows.length;
    expect(await count()).toBe(24);
    world.later(3 * 60);
    await escalateDue(store);
    expect(await count()).toBe(25);
    await act(store, id, { type: 'resolve' }, 'ada');
  });

  it('goes on after a pause with what was left of it', async () => {
    const store = world.store();
    const { id } = await openOne(store, { severity: 'P2' });
    world.later(20);
    await act(store, id, { type: 'pause', reason: 'r' }, 'ada');
    world.later(600);
    await escalateDue(store);
    expect(await calls(id)).toEqual(['data-engineer: opened']);
    await act(store, id, { type: 'continue' }, 'ada');
    world.later(99);
    await escalateDue(store);
    expect(await calls(id)).toHaveLength(1);
    world.later(1);
    await escalateDue(store);
    expect((await calls(id)).slice(1)).toEqual(['admin: time']);
    await act(store, id, { type: 'resolve' }, 'ada');
  });
});

it('lists what is urgent first', async () => {
  const { incidents } = await listIncidents(world.store(), { limit: 200 });
  const levels = incidents.map(({ severity }) => severity ?? 'P9');
  expect(levels).toEqual([...levels].sort());
  expect(incidents.every(({ status }) => status !== 'closed')).toBe(true);
});

it('lists and filters a level however it was written by hand, and leaves what is none as it is', async () => {
  const rows = await world.client.query<{ id: number }>(
    `INSERT INTO maintenance.incidents (severity, summary)
     VALUES (' p1 ', 'by hand'), ('P0', 'by hand'), ('urgent', 'by hand'), (NULL, NULL)
     RETURNING incident_id AS id`,
  );
  const [lower = 0, zero = 0, unknown = 0, nothing = 0] = rows.map(({ id }) => id);
  const store = world.store();
  const idsOf = async (severity?: 'P1') => {
    const filter = severity === undefined ? {} : { severity };
    const { incidents } = await listIncidents(store, { limit: 500, ...filter });
    return incidents.map(({ incidentId }) => incidentId);
  };
  expect(await idsOf('P1')).toEqual(expect.arrayContaining([lower, zero]));
  const all = await idsOf();
  expect(all.slice(-2)).toEqual(expect.arrayContaining([unknown, nothing]));
  expect(all.indexOf(lower)).toBeLessThan(all.indexOf(unknown));
  await act(store, unknown, { type: 'note', text: 'What is it?' }, 'ada');
  const [kept] = await world.client.query<{ severity: string; summary: string }>(
    'SELECT severity, summary FROM maintenance.incidents WHERE incident_id = $1',
    [unknown],
  );
  expect(kept).toEqual({ severity: 'urgent', summary: 'by hand' });
  for (const id of rows.map((row) => row.id)) await act(store, id, { type: 'resolve' }, 'ada');
});

it('lists what was closed, reopened and put into words by hand as what it is', async () => {
  const rows = await world.client.query<{ id: number }>(
    `INSERT INTO maintenance.incidents (severity, status, summary, closed_at)
     VALUES ('P3', 'open', 'by hand', NULL), ('P3', 'In Progress', 'by hand', NULL),
            ('P3', NULL, 'by hand', '2026-11-20 10:00'), ('P3', 'done', 'by hand', NULL)
     RETURNING incident_id AS id`,
  );
  const [one = 0, started = 0, timed = 0, done = 0] = rows.map(({ id }) => id);
  const mine = new Set([one, started, timed, done]);
  const listed = async (filter: Partial<ListFilter>) => {
    const { incidents } = await listIncidents(world.store(), { limit: 1000, ...filter });
    return incidents.filter(({ incidentId }) => mine.has(incidentId)).map((row) => row.incidentId);
  };
  const edit = (sql: string, id: number) =>
    world.client.execute(`UPDATE maintenance.incidents SET ${sql} WHERE incident_id = $1`, [id]);
  expect(await listed({})).toEqual([one, started]);
  expect(await listed({ status: 'acknowledged' })).toEqual([started]);
  expect(await listed({ status: 'closed' })).toEqual([done, timed]);

  await edit("status = 'Cancelled'", one);
  await edit('closed_at = now()', started);
  expect(await listed({})).toEqual([]);
  expect(await listed({ status: 'closed' })).toEqual([done, timed, started, one]);

  await edit("status = 'assigned'", one);
  await edit('closed_at = NULL', started);
  await edit("status = 'open', closed_at = NULL", done);
  expect((await listed({})).sort((a, b) => a - b)).toEqual([one, started, done]);
  expect(await listed({ status: 'acknowledged' })).toEqual([one]);
  for (const id of mine) {
    const { status, closedAt } = await showIncident(world.store(), id);
    expect([id, status, closedAt === null]).toEqual([
      id,
      id === one ? 'acknowledged' : id === timed ? 'closed' : 'open',
      id !== timed,
    ]);
  }
});
