import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configSchema } from '../../src/config/schema.js';
import type { DatabaseClient } from '../../src/database/client.js';
import type { Outlets } from '../../src/incidents/delivery.js';
import { openOutlets } from '../../src/incidents/delivery.js';
import type { Occurrence } from '../../src/incidents/events.js';
import { type Recorded, recordSignal, type Signal } from '../../src/incidents/signals.js';
import type { Incident, IncidentStore } from '../../src/incidents/store.js';
import { createTestDatabase, type TestDatabase } from './database.js';

export interface IncidentWorld {
  database: TestDatabase;
  client: DatabaseClient;
  home: string;
  /** The time that it is; tests move it. */
  clock: { now: Date };
  /** The store under a configuration, over the same connection or one of its own. */
  store(incidents?: object, client?: DatabaseClient): IncidentStore;
  later(minutes: number): Date;
  dispose(): Promise<void>;
}

export async function incidentWorld(): Promise<IncidentWorld> {
  const database = await createTestDatabase();
  const client = await database.client();
  const home = await mkdtemp(join(tmpdir(), 'reviewops-incidents-'));
  const clock = { now: new Date('2026-11-16T09:00:00Z') };
  return {
    database,
    client,
    home,
    clock,
    store: (incidents = {}, other = client) => ({
      client: other,
      config: configSchema.parse({ incidents }).incidents,
      now: () => clock.now,
    }),
    later: (minutes) => {
      clock.now = new Date(clock.now.getTime() + minutes * 60_000);
      return clock.now;
    },
    dispose: async () => {
      await database.drop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

let count = 0;

/** A signal with an id of its own. */
export const signalOf = (at: Date, occurrence: Partial<Occurrence>, trace = false): Signal => {
  count += 1;
  return {
    id: `00000000-0000-4000-8000-${String(count).padStart(12, '0')}`,
    at,
    by: 'test',
    trace,
    occurrence: { source: 'pipeline', summary: 'It broke.', severity: 'P2', ...occurrence },
  };
};

export const see = (
  store: IncidentStore,
  occurrence: Partial<Occurrence>,
  trace = false,
): Promise<Recorded> => recordSignal(store, signalOf(store.now(), occurrence, trace));

export const openOne = async (
  store: IncidentStore,
  occurrence: Partial<Occurrence> = {},
): Promise<Incident> => (await see(store, { cause: `test/${count}`, ...occurrence })).incident;

export const outletsFor = (
  { config }: IncidentStore,
  secrets: Record<string, string> = {},
): Outlets => openOutlets(config, (name) => secrets[name]);

export const never = new AbortController().signal;

/**
 * Fills the tables: every second incident is open, the others were answered, resolved and closed;
 * one every five minutes up to `until`.
 */
export async function fillIncidents(
  client: DatabaseClient,
  count: number,
  until: Date,
): Promise<void> {
  await client.transaction(async () => {
    await client.query("SELECT set_config('reviewops.incident_writer', 'on', true)");
    await client.execute(
      `INSERT INTO maintenance.incidents
         (opened_at, severity, status, summary, source, cause, closed_at)
       SELECT opened_at, 'P' || (1 + i / 2 % 4), CASE WHEN open THEN 'open' ELSE 'closed' END,
              'load ' || i, 'pipeline', 'c' || i,
              CASE WHEN open THEN NULL ELSE opened_at + interval '3 minutes' END
       FROM generate_series(1, $2) i,
         LATERAL (SELECT ($1::timestamptz AT TIME ZONE 'UTC') - i * interval '5 minutes' AS opened_at,
                         i % 2 = 0 AS open) AS made`,
      [until, count],
    );
    await client.execute(
      `INSERT INTO maintenance.incident_events (incident_id, seq, at, type, by, data)
       SELECT incident_id, seq, opened_at AT TIME ZONE 'UTC' + seq * interval '1 minute', type,
              CASE seq WHEN 0 THEN 'reviewops' ELSE 'ada' END,
              CASE type
                WHEN 'opened' THEN jsonb_build_object('uid', incident_id::text, 'source', source,
                  'summary', summary, 'severity', severity, 'cause', cause)
                WHEN 'noted' THEN '{"text": "I look at it."}'
                WHEN 'closed' THEN '{"checklist": []}'
                ELSE '{}' END
       FROM maintenance.incidents,
         unnest(CASE status WHEN 'open' THEN ARRAY['opened', 'noted', 'noted', 'noted']
                ELSE ARRAY['opened', 'acknowledged', 'resolved', 'closed'] END)
           WITH ORDINALITY AS event (type, place),
         LATERAL (SELECT place::integer - 1 AS seq) AS numbered`,
    );
  });
  await client.execute('VACUUM (ANALYZE) maintenance.incidents, maintenance.incident_events');
}
