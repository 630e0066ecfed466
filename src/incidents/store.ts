import type { Config } from '../config/schema.js';
import { type DatabaseClient, withClient } from '../database/client.js';
import type { DatabaseTarget } from '../database/target.js';
import { invalid } from '../system/errors.js';
import type { IncidentStore } from './context.js';
import type { IncidentEvent, LoggedEvent } from './events.js';
import type { IncidentState } from './state.js';
import { replay } from './timeline.js';

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
async function readEvents(
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
 * Locks incidents, in the order of their numbers, and reads them as they stand: whoever changes one
 * meanwhile waits. For use within `inTransaction`; without those that are not there.
 */
export async function lockIncidents(
  { client }: IncidentStore,
  ids: readonly number[],
): Promise<Incident[]> {
  const rows = await client.query<{ id: number }>(
    `SELECT incident_id AS id FROM maintenance.incidents WHERE incident_id = ANY ($1)
     ORDER BY incident_id FOR UPDATE`,
    [ids],
  );
  return readIncidents(
    client,
    rows.map(({ id }) => id),
  );
}

/** The same for one. @throws INCIDENT_NOT_FOUND (exit 2) */
export async function lockIncident(store: IncidentStore, id: number): Promise<Incident> {
  const [incident] = await lockIncidents(store, [id]);
  if (incident === undefined) throw notFound(id);
  return incident;
}
