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
