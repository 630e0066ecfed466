import { randomUUID } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Workspace } from '../lake/workspace.js';
import { errorCode } from '../system/errors.js';
import {
  describeFileError,
  makeDirectory,
  syncDirectory,
  writeFileAtomic,
} from '../system/files.js';
import { redactDeep } from '../system/redact.js';
import type { IncidentEvent } from './events.js';
import { type Recorded, recordSignal, type Signal } from './signals.js';
import type { IncidentStore, NewEvent } from './store.js';
import { record } from './work.js';

/**
 * What was seen goes to a file of this machine first and to the database from there, so that nothing
 * is lost while the database is down, or the power goes in between. A file that was delivered but
 * not removed yet is delivered again, and recognised by its id.
 */

/** A call that was made while the database was down. */
export interface SpooledEvent {
  at: string;
  by: string;
  key?: string;
  event: IncidentEvent;
}

export type Spooled =
  | {
      kind: 'signal';
      id: string;
      at: string;
      by: string;
      signal: Omit<Signal, 'id' | 'at' | 'by'>;
      /** What happened since, without the database. */
      events: SpooledEvent[];
      /** Keys of the messages that were sent. */
      told: string[];
    }
  | { kind: 'run'; id: string; at: string; incidentId: number; event: IncidentEvent };

export type SpooledSignal = Extract<Spooled, { kind: 'signal' }>;

export const incidentsDirectory = (home: string): string => join(home, 'incidents');
const directory = (home: string): string => join(incidentsDirectory(home), 'spool');

/** Files in the order in which they were seen. */
const nameOf = ({ at, id }: Spooled): string => `${at.replace(/[^0-9]/g, '')}-${id}.json`;

/** Puts a signal on disk; it is safe when this resolves. */
export async function spoolSignal(
  home: string,
  signal: Omit<Signal, 'id'>,
): Promise<SpooledSignal> {
  const { at, by, ...rest } = signal;
  const entry: SpooledSignal = {
    kind: 'signal',
    id: randomUUID(),
    at: at.toISOString(),
    by,
    signal: rest,
    events: [],
    told: [],
  };
  await writeEntry(home, entry);
  return entry;
}

/** Puts down what a runbook came to that ran for an incident. */
export const spoolRun = (
  home: string,
  at: Date,
  incidentId: number,
  event: IncidentEvent,
): Promise<void> =>
  writeEntry(home, { kind: 'run', id: randomUUID(), at: at.toISOString(), incidentId, event });

export async function writeEntry(home: string, entry: Spooled): Promise<void> {
  const name = nameOf(entry);
  const path = join(directory(home), name);
  try {
    await makeDirectory(directory(home), 0o700);
    // What a killed process was writing is removed by the next one that writes.
    const workspace = new Workspace(join(incidentsDirectory(home), '.tmp'));
    await workspace.prepare();
    await writeFileAtomic(path, `${JSON.stringify(redactDeep(entry))}\n`, {
      mode: 0o600,
      temporary: workspace.temporary(name),
    });
  } catch (error) {
    throw describeFileError(error, path);
  }
}

/** What waits for the database, the oldest first. */
export async function readSpool(home: string): Promise<Spooled[]> {
  const entries: Spooled[] = [];
  for (const name of await spoolNames(home)) {
    const entry = await readEntry(join(directory(home), name));
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

export async function spoolNames(home: string): Promise<string[]> {
  try {
    const names = await readdir(directory(home));
    return names.filter((name) => name.endsWith('.json')).sort();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw describeFileError(error, directory(home));
  }
}

/** Undefined when somebody else has delivered it meanwhile. */
async function readEntry(path: string): Promise<Spooled | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Spooled;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw describeFileError(error, path);
  }
}

export interface Delivered {
  recorded: Recorded[];
}

/** Hands everything over to the database, one after the other; each is removed once it is there. */
export async function deliverSpool(store: IncidentStore, home: string): Promise<Delivered> {
  const delivered: Delivered = { recorded: [] };
  for (const entry of await readSpool(home)) {
    await deliver(store, entry, delivered);
    await rm(join(directory(home), nameOf(entry)), { force: true });
    await syncDirectory(directory(home));
  }
  return delivered;
}

async function deliver(store: IncidentStore, entry: Spooled, into: Delivered): Promise<void> {
  if (entry.kind === 'run') {
    await recordRun(store, entry);
    return;
  }
  const { id, by, signal } = entry;
  const at = new Date(entry.at);
  const meanwhile = { events: entry.events.map(toEvent), told: new Set(entry.told) };
  into.recorded.push(await recordSignal(store, { id, at, by, ...signal }, meanwhile));
}

export const toEvent = ({ at, ...rest }: SpooledEvent): NewEvent => ({
  at: new Date(at),
  ...rest,
});

/** A runbook may name an incident that is not there: that is no reason to keep the entry. */
async function recordRun(
  store: IncidentStore,
  { id, incidentId, event }: Extract<Spooled, { kind: 'run' }>,
): Promise<void> {
  try {
    await record(store, incidentId, { key: `spool:${id}`, event });
  } catch (error) {
    if (errorCode(error) !== 'INCIDENT_NOT_FOUND') throw error;
  }
}
