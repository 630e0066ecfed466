import type { Config } from '../config/schema.js';
import { invalid } from '../system/errors.js';
import { type DatabaseClient, openClient } from './client.js';
import { quoteTable } from './identifiers.js';
import type { DatabaseTarget } from './target.js';

/** What a snapshot was cut from, as a manifest records it. */
export interface SnapshotSource {
  /** `PostgreSQL 18.0`. */
  server: string;
  database: string;
  /** Position in the write-ahead log; null where the role may not ask. */
  lsn: string | null;
  /** The server's clock, ISO 8601 UTC with microseconds. */
  takenAt: string;
}

export interface SnapshotOptions {
  settings: Config['database'];
  signal: AbortSignal;
  /** What the readers are for, and how many will be opened soon: they connect meanwhile. */
  readers: { purpose: string; count: number };
}

export interface LockTarget {
  schema: string;
  name: string;
  /** Whether `LOCK TABLE` takes it; what it refuses (materialized views) is locked by being read. */
  lockable: boolean;
}

/** One state of the database that several connections read. */
export interface Snapshot {
  readonly source: SnapshotSource;
  /** The connection that holds the snapshot, for reading in it. */
  readonly client: DatabaseClient;
  /** Opens another connection that sees the same state. Closed by whoever opened it. */
  openReader(): Promise<DatabaseClient>;
  /**
   * Proves that the locks were held to this moment, so that all readers saw the same tables.
   * Throws `DATABASE_UNREACHABLE` when the connection was lost meanwhile.
   */
  confirm(): Promise<void>;
  close(): Promise<void>;
}

// Not part of any statement, and no query either: a snapshot has to be the first thing that a
// transaction sees. Row security would hide rows in silence; off, it is an error instead.
const sessionSettings = `
  SET idle_in_transaction_session_timeout = 0;
  SET extra_float_digits = 1;
  SET row_security = off`;

const begin = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';

/**
 * Takes a snapshot that other connections can join. `choose` names the tables of which the
 * structure must not change meanwhile; they are locked against that (not against writes) before
 * the snapshot is taken.
 *
 * @throws ENDPOINT_POOLED on a pooled endpoint, DATABASE_LOCK_TIMEOUT, DATABASE_UNREACHABLE
 */
export async function openSnapshot(
  target: DatabaseTarget,
  options: SnapshotOptions,
  choose: (client: DatabaseClient) => Promise<LockTarget[]>,
): Promise<Snapshot> {
  if (target.endpoint === 'pooler') {
    throw invalid(
      'ENDPOINT_POOLED',
      `${target.description} is a pooled endpoint: connections behind it cannot share a snapshot.`,
      { hint: 'Use the direct endpoint: remove `-pooler` from the host name in NEON_DB_URL.' },
    );
  }
  const connections = new Connections(target, options);
  const client = await connections.open('extract snapshot');
  try {
    const locked = await choose(client);
    connections.prepareReaders(locked.length);
    await client.execute(begin);
    const named = (lockable: boolean) =>
      locked
        .filter((target) => target.lockable === lockable)
        .map(({ schema, name }) => quoteTable(schema, name));
    const tables = named(true);
    if (tables.length > 0) {
      await client.execute(`LOCK TABLE ${tables.join(', ')} IN ACCESS SHARE MODE`);
    }
    const [row] = await client.query<SnapshotRow>(snapshotSql);
    if (row === undefined) throw new Error('The server gave no snapshot.');
    // The rows of a refresh are seen by every snapshot: one from now on would mix two states.
    for (const view of named(false)) await client.execute(`SELECT FROM ${view} LIMIT 0`);
    const { id, ...source } = row;
    return new ExportedSnapshot(connections, client, id, source);
  } catch (error) {
    await connections.closeUnused();
    await client.close();
    throw error;
  }
}

/** Connections with the settings of a snapshot, of which those for readers open ahead. */
class Connections {
  readonly #target: DatabaseTarget;
  readonly #options: SnapshotOptions;
  #ahead: Promise<DatabaseClient>[] = [];

  constructor(target: DatabaseTarget, options: SnapshotOptions) {
    this.#target = target;
    this.#options = options;
  }

  async open(purpose: string): Promise<DatabaseClient> {
    const client = await openClient(this.#target, { ...this.#options, purpose, readOnly: true });
    try {
      await client.execute(sessionSettings);
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /** Of few tables, few connections read. */
  prepareReaders(tables: number): void {
    const { purpose, count } = this.#options.readers;
    this.#ahead = Array.from({ length: Math.min(count, tables) }, () => this.open(purpose));
    // Whoever takes one is told.
    for (const opening of this.#ahead) opening.catch(() => undefined);
  }

  reader(): Promise<DatabaseClient> {
    return this.#ahead.shift() ?? this.open(this.#options.readers.purpose);
  }

  /** Closes the readers that nobody took. */
  async closeUnused(): Promise<void> {
    for (const opening of await Promise.allSettled(this.#ahead.splice(0))) {
      if (opening.status === 'fulfilled') await opening.value.close();
    }
  }
}

interface SnapshotRow extends SnapshotSource {
  id: string;
}

const lsnFunction = `CASE WHEN pg_is_in_recovery() THEN 'pg_last_wal_replay_lsn()'
                          ELSE 'pg_current_wal_lsn()' END`;

const snapshotSql = `
  SELECT pg_export_snapshot() AS id,
         'PostgreSQL ' || current_setting('server_version') AS server,
         current_database() AS database,
         CASE WHEN NOT has_function_privilege(${lsnFunction}, 'EXECUTE') THEN NULL
              WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()::text
              ELSE pg_current_wal_lsn()::text END AS lsn,
         to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "takenAt"`;

class ExportedSnapshot implements Snapshot {
  readonly #connections: Connections;
  readonly #id: string;

  constructor(
    connections: Connections,
    readonly client: DatabaseClient,
    id: string,
    readonly source: SnapshotSource,
  ) {
    this.#connections = connections;
    this.#id = id;
  }

  async openReader(): Promise<DatabaseClient> {
    const reader = await this.#connections.reader();
    try {
      await reader.execute(begin);
      // The identifier is the server's own: hexadecimal digits and dashes.
      await reader.execute(`SET TRANSACTION SNAPSHOT '${this.#id}'`);
      return reader;
    } catch (error) {
      await reader.close();
      // When its holder was lost the snapshot does not exist any more: that is the cause then.
      await this.client.execute('SELECT 1');
      throw error;
    }
  }

  async confirm(): Promise<void> {
    await this.client.execute('COMMIT');
  }

  async close(): Promise<void> {
    await this.#connections.closeUnused();
    await this.client.close();
  }
}
