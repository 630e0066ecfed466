import { appendAll, appendEvents } from './append.js';
import { policyOf } from './clocks.js';
import { callByPerson, nextCall, nextStatusEvent } from './escalation.js';
import { system } from './events.js';
import {
  type Incident,
  type IncidentStore,
  inTransaction,
  lockIncident,
  lockIncidents,
  type NewEvent,
  readIncidents,
} from './store.js';
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

/**
 * The calls and the status message that are due at an instant; each must be applied to the state
 * before the next is asked for.
 */
export function* dueEvents(
  { state }: Incident,
  { config }: Pick<IncidentStore, 'config'>,
  now: Date,
): Generator<NewEvent> {
  const policy = policyOf(config);
  for (let seen = -1; state.seq !== seen; ) {
    const due = nextCall(state, policy, config, now) ?? nextStatusEvent(state, policy, now);
    if (due === undefined) return;
    seen = state.seq;
    yield due;
  }
}

/** Makes the calls and writes the status message that are due now for an incident that is locked. */
export async function callDue(store: IncidentStore, incident: Incident, now: Date): Promise<void> {
  await appendAll(store, [{ incident, events: dueEvents(incident, store, now) }]);
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

/** What an escalation came to. */
export interface Escalated {
  /** How many incidents something was due for. */
  incidents: number;
  /** The first of them. */
  ids: number[];
  calls: number;
  statuses: number;
}

/** Whether anything is due; most of the time nothing is, and no lock is taken to learn that. */
const isDue = (store: IncidentStore, incident: Incident): boolean =>
  dueEvents(incident, store, store.now()).next().done !== true;

/** How many incidents are looked at, and changed, in one go. */
const pageSize = 500;

/** How many ids are told of. */
const mostIds = 200;

/**
 * Looks at every incident that goes on and does what is due: a page of them in a transaction, so
 * that it can stop and begin anew anywhere. Two at once take turns, and what was done is not done
 * again.
 */
export async function escalateDue(store: IncidentStore): Promise<Escalated> {
  const done: Escalated = { incidents: 0, ids: [], calls: 0, statuses: 0 };
  for (let last = 0; ; ) {
    const rows = await store.client.query<{ incident_id: number }>(
      `SELECT incident_id FROM maintenance.incidents
       WHERE closed_at IS NULL AND incident_id > $1 ORDER BY incident_id LIMIT ${pageSize}`,
      [last],
    );
    const ids = rows.map(({ incident_id: id }) => id);
    const due = (await readIncidents(store.client, ids)).filter((one) => isDue(store, one));
    if (due.length > 0) {
      await escalatePage(
        store,
        due.map(({ id }) => id),
        done,
      );
    }
    last = ids.at(-1) ?? last;
    if (rows.length < pageSize) return done;
  }
}

async function escalatePage(
  store: IncidentStore,
  ids: readonly number[],
  into: Escalated,
): Promise<void> {
  const written = await inTransaction(store, async () => {
    const locked = await lockIncidents(store, ids);
    const now = store.now();
    const changes = locked.map((incident) => ({
      incident,
      events: dueEvents(incident, store, now),
    }));
    const events = await appendAll(store, changes);
    return locked.map(({ id }, index) => ({ id, events: events[index] ?? [] }));
  });
  for (const { id, events } of written.filter((one) => one.events.length > 0)) {
    const calls = events.filter(({ event }) => event.type === 'escalated').length;
    into.incidents += 1;
    into.calls += calls;
    into.statuses += events.length - calls;
    if (into.ids.length < mostIds) into.ids.push(id);
  }
}
