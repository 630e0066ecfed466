import type { Config } from '../config/schema.js';
import { type DatabaseClient, withClient } from '../database/client.js';
import type { DatabaseTarget } from '../database/target.js';
import { invalid } from '../system/errors.js';
import { redactDeep } from '../system/redact.js';
import type { IncidentStore } from './context.js';
import type { IncidentEvent, LoggedEvent, Occurrence } from './events.js';
import { messagesFor } from './messages.js';
import { insertMessages } from './outbox.js';
import { apply, type IncidentState, replay } from './timeline.js';

export interface Incident {
  id: number;
  state: IncidentState;
}

export type { IncidentStore } from './context.js';

/** An event that is to be written. */
export interface NewEvent {
  at: Date;
  by: string;
  event: IncidentEvent;
  /** Written once only for each key of an incident. */
  key?: string;
}

/** Opens a connection for work on incidents. */
export const withStore = <T>(
  options: {
    target: DatabaseTarget;
    config: Config;
    signal: AbortSignal;
    now: () => Date;
    connectTimeoutSeconds?: number;
  },
  work: (store: IncidentStore) => Promise<T>,
): Promise<T> => {
  const { target, config, signal, now } = options;
  const connectTimeoutSeconds = Math.min(
    config.database.connectTimeoutSeconds,
    options.connectTimeoutSeconds ?? Number.POSITIVE_INFINITY,
  );
  const settings = { ...config.database, connectTimeoutSeconds };
  return withClient(target, { purpose: 'incidents', settings, signal }, (client) =>
    work({ client, config: config.incidents, now }),
  );
};

interface EventRow {
  incident_id: number;
  seq: number;
  at: Date;
  type: string;
  by: string;
  data: object;
}

const fromRow = ({ seq, at, type, by, data }: EventRow): LoggedEvent => ({
  seq,
  at,
  by,
  event: { type, ...data } as IncidentEvent,
});

/** The events of incidents, in their order. */
export async function readEvents(
  client: Pick<DatabaseClient, 'query'>,
  ids: readonly number[],
): Promise<Map<number, LoggedEvent[]>> {
  const rows = await client.query<EventRow>(
    `SELECT incident_id, seq, at, type, by, data FROM maintenance.incident_events
     WHERE incident_id = ANY ($1) ORDER BY incident_id, seq`,
    [ids],
  );
  const events = new Map<number, LoggedEvent[]>(ids.map((id) => [id, []]));
  for (const row of rows) events.get(row.incident_id)?.push(fromRow(row));
  return events;
}

/** Several incidents as they stand; without those that are not there. */
export async function readIncidents(
  client: Pick<DatabaseClient, 'query'>,
  ids: readonly number[],
): Promise<Incident[]> {
  const events = await readEvents(client, ids);
  return ids.flatMap((id) => {
    const state = replay(events.get(id) ?? []);
    return state === undefined ? [] : [{ id, state }];
  });
}

/** @throws INCIDENT_NOT_FOUND (exit 2) */
export async function readIncident(
  client: Pick<DatabaseClient, 'query'>,
  id: number,
): Promise<Incident & { events: LoggedEvent[] }> {
  const events = (await readEvents(client, [id])).get(id) ?? [];
  const state = replay(events);
  if (state === undefined) throw notFound(id);
  return { id, state, events };
}

const notFound = (id: number) =>
  invalid('INCIDENT_NOT_FOUND', `There is no incident ${id}.`, {
    hint: '`reviewops incident list --all` lists them.',
  });

/** A transaction in which this tool writes its own events. */
export const inTransaction = <T>(store: IncidentStore, work: () => Promise<T>): Promise<T> =>
  store.client.transaction(async () => {
    await store.client.query("SELECT set_config('reviewops.incident_writer', 'on', true)");
    return work();
  });

/**
 * Locks an incident and reads it as it stands: whoever changes it meanwhile waits. For use within
 * `inTransaction`; several are locked in the order of their numbers.
 *
 * @throws INCIDENT_NOT_FOUND (exit 2)
 */
export async function lockIncident(store: IncidentStore, id: number): Promise<Incident> {
  const rows = await store.client.query(
    'SELECT incident_id FROM maintenance.incidents WHERE incident_id = $1 FOR UPDATE',
    [id],
  );
  if (rows.length === 0) throw notFound(id);
  const { state } = await readIncident(store.client, id);
  return { id, state };
}

/** Writes a new ticket with its first events; within `inTransaction`. */
export async function insertIncident(
  store: IncidentStore,
  occurrence: Occurrence,
  first: Omit<NewEvent, 'event'> & { uid: string },
  told: ReadonlySet<string> = new Set(),
): Promise<Incident> {
  const [row] = await store.client.query<{ incident_id: number }>(
    `INSERT INTO maintenance.incidents (opened_at, severity, status, summary, source, cause)
     VALUES ($1::timestamptz AT TIME ZONE 'UTC', $2, 'open', $3, $4, $5) RETURNING incident_id`,
    [
      first.at,
      occurrence.severity,
      clean(occurrence.summary),
      occurrence.source,
      occurrence.cause ?? null,
    ],
  );
  if (row === undefined) throw new Error('The new incident has no number.');
  const id = row.incident_id;
  const { uid, ...rest } = first;
  const event: IncidentEvent = { type: 'opened', uid, ...occurrence };
  const [logged] = await insertEvents(store, id, -1, [{ ...rest, event }]);
  const state = logged === undefined ? undefined : replay([logged]);
  if (logged === undefined || state === undefined) throw new Error(`Incident ${id} is empty.`);
  await insertMessages(store, messagesFor(id, state, logged, store.config), told);
  await project(store, { id, state });
  return { id, state };
}

/**
 * Adds events to an incident that is locked, tells the channels, and brings the ticket's columns up
 * to date. Events whose key is there already are left out; gives those that were written. `told`:
 * keys of messages that were sent already, while the database was down.
 */
export async function appendEvents(
  store: IncidentStore,
  { id, state }: Incident,
  events: readonly NewEvent[],
  told: ReadonlySet<string> = new Set(),
): Promise<LoggedEvent[]> {
  if (events.length === 0) return [];
  const written = await insertEvents(store, id, state.seq, events);
  for (const logged of written) {
    apply(state, logged);
    await insertMessages(store, messagesFor(id, state, logged, store.config), told);
  }
  if (written.length > 0) await project(store, { id, state });
  return written;
}

/** What PostgreSQL cannot hold: NUL, and halves of surrogate pairs. */
const clean = (text: string): string => text.replace(/\0|\p{Surrogate}/gu, '\ufffd');

const storable = (event: object): string =>
  JSON.stringify(redactDeep(event), (_key, value: unknown) =>
    typeof value === 'string' ? clean(value) : value,
  );

async function insertEvents(
  { client }: IncidentStore,
  id: number,
  lastSeq: number,
  events: readonly NewEvent[],
): Promise<LoggedEvent[]> {
  const known = await knownKeys(client, id, events);
  const fresh = events.filter(({ key }) => key === undefined || !known.has(key));
  const logged: LoggedEvent[] = [];
  for (const [index, { at, by, event, key }] of fresh.entries()) {
    const { type, ...data } = event;
    const seq = lastSeq + 1 + index;
    const [row] = await client.query<EventRow>(
      `INSERT INTO maintenance.incident_events (incident_id, seq, at, type, by, data, key)
       VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING incident_id, seq, at, type, by, data`,
      [id, seq, at, type, clean(by), storable(data), key ?? null],
    );
    if (row !== undefined) logged.push(fromRow(row));
  }
  return logged;
}

async function knownKeys(
  client: DatabaseClient,
  id: number,
  events: readonly NewEvent[],
): Promise<Set<string>> {
  const keys = events.flatMap(({ key }) => key ?? []);
  if (keys.length === 0) return new Set();
  const rows = await client.query<{ key: string }>(
    'SELECT key FROM maintenance.incident_events WHERE incident_id = $1 AND key = ANY ($2)',
    [id, keys],
  );
  return new Set(rows.map(({ key }) => key));
}

/** The columns as people query them by hand follow the events. */
async function project({ client }: IncidentStore, { id, state }: Incident): Promise<void> {
  await client.execute(
    `UPDATE maintenance.incidents SET
       opened_at = $2::timestamptz AT TIME ZONE 'UTC', closed_at = $3::timestamptz AT TIME ZONE 'UTC',
       severity = $4, status = $5, batch_id = left($6, 30), summary = $7, root_cause = $8,
       action_taken = $9, owner = left($10, 50), merged_into = $11
     WHERE incident_id = $1`,
    [
      id,
      state.openedAt,
      state.closedAt,
      state.severity,
      state.status,
      state.batchId,
      state.summary,
      state.rootCause,
      state.action,
      state.owner,
      state.mergedInto,
    ],
  );
}
