import { policyOf } from './clocks.js';
import { callByPerson, nextCall, nextStatusEvent } from './escalation.js';
import { system } from './events.js';
import {
  appendEvents,
  type Incident,
  type IncidentStore,
  inTransaction,
  lockIncident,
  type NewEvent,
  readIncidents,
} from './store.js';
import { type IncidentState, isOver } from './timeline.js';
import { type Action, decide } from './transitions.js';

/** An event does not happen before the one that it follows, whatever the clocks of machines say. */
export const after = ({ state }: Incident, now: Date): Date =>
  now < state.changedAt ? state.changedAt : now;

/**
 * Does something to an incident, under its lock: what two people do at once is done one after the
 * other, and judged by what the first has made of it.
 *
 * @throws INCIDENT_NOT_FOUND (exit 2), INCIDENT_STATE, CHECKLIST_INCOMPLETE (exit 3)
 */
export const act = (
  store: IncidentStore,
  id: number,
  action: Action,
  by: string,
): Promise<Incident> =>
  inTransaction(store, async () => {
    if (action.type === 'merge') return mergeInto(store, id, action.into, by);
    const incident = await lockIncident(store, id);
    const at = after(incident, store.now());
    const events = decide(id, incident.state, action).map((event) => ({ at, by, event }));
    await appendEvents(store, incident, events);
    await callDue(store, incident, at);
    return incident;
  });

async function mergeInto(
  store: IncidentStore,
  id: number,
  into: number,
  by: string,
): Promise<Incident> {
  const locked = new Map<number, Incident>();
  for (const one of [...new Set([id, into])].sort((a, b) => a - b)) {
    locked.set(one, await lockIncident(store, one));
  }
  const [from, target] = [locked.get(id), locked.get(into)];
  if (from === undefined || target === undefined) throw new Error('Both incidents were locked.');
  const events = decide(id, from.state, { type: 'merge', into });
  // What was merged itself takes nothing in.
  if (events.length > 0 && target.state.status === 'merged') {
    decide(into, target.state, { type: 'reopen', reason: '' });
  }
  const at = after(from, after(target, store.now()));
  await appendEvents(
    store,
    from,
    events.map((event) => ({ at, by, event })),
  );
  const { summary } = from.state;
  const absorbed: NewEvent[] = events.map(() => ({
    at,
    by,
    event: { type: 'absorbed', from: id, summary },
  }));
  await appendEvents(store, target, absorbed);
  return from;
}

/** Calls the next of the chain because a person wants it. */
export const escalateByPerson = (store: IncidentStore, id: number, by: string): Promise<Incident> =>
  inTransaction(store, async () => {
    const incident = await lockIncident(store, id);
    // Refuses what is over, in the words of every other action.
    decide(id, incident.state, { type: 'assign', owner: incident.state.owner ?? '' });
    const now = after(incident, store.now());
    const { config } = store;
    const call = callByPerson(incident.state, { policy: policyOf(config), config, now, by });
    if (call !== undefined) await appendEvents(store, incident, [call]);
    return incident;
  });

/** Makes the calls and the status message that are due now; gives how many. */
export async function callDue(
  store: IncidentStore,
  incident: Incident,
  now: Date,
): Promise<{ calls: number; statuses: number }> {
  const policy = policyOf(store.config);
  let calls = 0;
  for (;;) {
    const call = nextCall(incident.state, policy, store.config, now);
    if (call === undefined) break;
    const written = await appendEvents(store, incident, [call]);
    if (written.length === 0) break;
    calls += 1;
  }
  const status = nextStatusEvent(incident.state, policy, now);
  const statuses =
    status === undefined ? 0 : (await appendEvents(store, incident, [status])).length;
  return { calls, statuses };
}

/** A note of the system's own, such as what a runbook came to. */
export const record = (
  store: IncidentStore,
  id: number,
  event: Omit<NewEvent, 'at' | 'by'>,
): Promise<Incident> =>
  inTransaction(store, async () => {
    const incident = await lockIncident(store, id);
    await appendEvents(store, incident, [
      { ...event, at: after(incident, store.now()), by: system },
    ]);
    return incident;
  });

export interface Escalated {
  incidentId: number;
  calls: number;
  statuses: number;
}

/** Whether anything is due; most of the time nothing is, and no lock is taken to learn that. */
function isDue({ config, now }: IncidentStore, state: IncidentState): boolean {
  const policy = policyOf(config);
  return (
    nextCall(state, policy, config, now()) !== undefined ||
    nextStatusEvent(state, policy, now()) !== undefined
  );
}

/** How many incidents are looked at in one go. */
const pageSize = 500;

/**
 * Looks at every incident that goes on and does what is due: each in a transaction of its own, so
 * that it can stop and begin anew anywhere. What was done is not done again.
 */
export async function escalateDue(store: IncidentStore): Promise<Escalated[]> {
  const done: Escalated[] = [];
  for (let last = 0; ; ) {
    const rows = await store.client.query<{ incident_id: number }>(
      `SELECT incident_id FROM maintenance.incidents
       WHERE closed_at IS NULL AND incident_id > $1 ORDER BY incident_id LIMIT ${pageSize}`,
      [last],
    );
    const ids = rows.map(({ incident_id: id }) => id);
    for (const { id, state } of await readIncidents(store.client, ids)) {
      if (!isDue(store, state)) continue;
      const result = await inTransaction(store, async () => {
        const incident = await lockIncident(store, id);
        return isOver(incident.state)
          ? { calls: 0, statuses: 0 }
          : callDue(store, incident, store.now());
      });
      if (result.calls + result.statuses > 0) done.push({ incidentId: id, ...result });
    }
    last = ids.at(-1) ?? last;
    if (rows.length < pageSize) return done;
  }
}
