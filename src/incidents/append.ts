import type { DatabaseClient } from '../database/client.js';
import { redactDeep } from '../system/redact.js';
import type { IncidentEvent, LoggedEvent, Occurrence } from './events.js';
import { messagesFor } from './messages.js';
import { insertMessages, type NewMessage } from './outbox.js';
import type { Incident, IncidentStore, NewEvent } from './store.js';
import { apply, replay } from './timeline.js';

/** Writing to the log: everything here belongs within `inTransaction`. */

/** Writes a new ticket with its first event. `told`: as for `appendAll`. */
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
  const opened = stored(id, 0, { ...rest, event: { type: 'opened', uid, ...occurrence } });
  const state = replay([opened.logged]);
  if (state === undefined) throw new Error(`Incident ${id} is empty.`);
  await insertEvents(store.client, [opened]);
  await insertMessages(store, messagesFor(id, state, opened.logged, store.config), told);
  await project(store.client, [{ id, state }]);
  return { id, state };
}

/** What is to be added to an incident that is locked. */
export interface Change {
  incident: Incident;
  /** One that is made from the state is asked for once the one before was applied. */
  events: Iterable<NewEvent>;
}

/**
 * Adds events to incidents, tells the channels, and brings the tickets' columns up to date: a few
 * statements, however many there are. Events whose key is there already are left out; gives those
 * that were written, change by change. `told`: keys of messages that were sent already, while the
 * database was down.
 */
export async function appendAll(
  store: IncidentStore,
  changes: readonly Change[],
  told: ReadonlySet<string> = new Set(),
): Promise<LoggedEvent[][]> {
  const known = await knownKeys(
    store.client,
    changes.map(({ incident: { id } }) => id),
  );
  const rows: StoredEvent[] = [];
  const messages: NewMessage[] = [];
  const written = changes.map(({ incident: { id, state }, events }) => {
    const keys = known.get(id) ?? new Set();
    const logged: LoggedEvent[] = [];
    for (const event of events) {
      if (event.key !== undefined && keys.has(event.key)) continue;
      if (event.key !== undefined) keys.add(event.key);
      const row = stored(id, state.seq + 1, event);
      apply(state, row.logged);
      rows.push(row);
      logged.push(row.logged);
      messages.push(...messagesFor(id, state, row.logged, store.config));
    }
    return logged;
  });
  await insertEvents(store.client, rows);
  await insertMessages(store, messages, told);
  const changed = changes.filter((_, index) => written[index]?.length !== 0);
  await project(
    store.client,
    changed.map(({ incident }) => incident),
  );
  return written;
}

/** `appendAll` for one incident. */
export async function appendEvents(
  store: IncidentStore,
  incident: Incident,
  events: readonly NewEvent[],
  told: ReadonlySet<string> = new Set(),
): Promise<LoggedEvent[]> {
  if (events.length === 0) return [];
  return (await appendAll(store, [{ incident, events }], told)).flat();
}

/** What PostgreSQL cannot hold: NUL, and halves of surrogate pairs. */
const clean = (text: string): string => text.replace(/\0|\p{Surrogate}/gu, '\ufffd');

interface StoredEvent {
  id: number;
  key: string | null;
  /** As it is read back. */
  logged: LoggedEvent;
  data: string;
}

function stored(id: number, seq: number, { at, by, event, key }: NewEvent): StoredEvent {
  const { type, ...rest } = event;
  const data = JSON.stringify(redactDeep(rest), (_key, value: unknown) =>
    typeof value === 'string' ? clean(value) : value,
  );
  const read = { type, ...(JSON.parse(data) as object) } as IncidentEvent;
  return { id, key: key ?? null, logged: { seq, at, by: clean(by), event: read }, data };
}

async function insertEvents(client: DatabaseClient, events: readonly StoredEvent[]): Promise<void> {
  if (events.length === 0) return;
  await client.execute(
    `INSERT INTO maintenance.incident_events (incident_id, seq, at, type, by, data, key)
     SELECT * FROM unnest($1::integer[], $2::integer[], $3::timestamptz[], $4::text[], $5::text[],
                          $6::jsonb[], $7::text[])`,
    [
      events.map(({ id }) => id),
      events.map(({ logged }) => logged.seq),
      events.map(({ logged }) => logged.at.toISOString()),
      events.map(({ logged }) => logged.event.type),
      events.map(({ logged }) => logged.by),
      events.map(({ data }) => data),
      events.map(({ key }) => key),
    ],
  );
}

async function knownKeys(
  client: DatabaseClient,
  ids: readonly number[],
): Promise<Map<number, Set<string>>> {
  const rows = await client.query<{ id: number; keys: string[] }>(
    `SELECT incident_id AS id, array_agg(key) AS keys FROM maintenance.incident_events
     WHERE incident_id = ANY ($1) AND key IS NOT NULL GROUP BY 1`,
    [ids],
  );
  return new Map([
    ...ids.map((id) => [id, new Set<string>()] as const),
    ...rows.map(({ id, keys }) => [id, new Set(keys)] as const),
  ]);
}

/**
 * The columns as people query them by hand follow the events. What they wrote that is no level
 * stays as they wrote it.
 */
async function project(client: DatabaseClient, incidents: readonly Incident[]): Promise<void> {
  if (incidents.length === 0) return;
  const column = <T>(of: (incident: Incident) => T): T[] => incidents.map(of);
  await client.execute(
    `UPDATE maintenance.incidents AS ticket SET
       opened_at = now.opened_at AT TIME ZONE 'UTC', closed_at = now.closed_at AT TIME ZONE 'UTC',
       severity = coalesce(now.severity, ticket.severity), status = now.status,
       batch_id = left(now.batch_id, 30), summary = now.summary, root_cause = now.root_cause,
       action_taken = now.action_taken, owner = left(now.owner, 50), merged_into = now.merged_into
     FROM unnest($1::integer[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::text[],
                 $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::integer[])
       AS now (incident_id, opened_at, closed_at, severity, status, batch_id, summary, root_cause,
               action_taken, owner, merged_into)
     WHERE ticket.incident_id = now.incident_id`,
    [
      column(({ id }) => id),
      column(({ state }) => state.openedAt.toISOString()),
      column(({ state }) => state.closedAt?.toISOString() ?? null),
      column(({ state }) => state.severity),
      column(({ state }) => state.status),
      column(({ state }) => state.batchId),
      column(({ state }) => state.summary),
      column(({ state }) => state.rootCause),
      column(({ state }) => state.action),
      column(({ state }) => state.owner),
      column(({ state }) => state.mergedInto),
    ],
  );
}
