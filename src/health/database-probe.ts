import type { QueryResultRow } from 'pg';
import type { Config } from '../config/schema.js';
import { type DatabaseClient, openClient } from '../database/client.js';
import type { DatabaseTarget } from '../database/target.js';

/** Connections that all checks share: a watched server must not be loaded by its watcher. */
const mostConnections = 2;

/** A lock that is not free in this time belongs to somebody who works; in seconds. */
const lockSeconds = 1;

/**
 * Read-only access for the checks: each question takes one of two connections, for as long as it
 * takes, with a time limit that the server enforces.
 */
export class DatabaseProbe {
  readonly target: DatabaseTarget;
  /** Seconds that the first connection took to come about. */
  readonly connectSeconds: number;
  readonly #open: () => Promise<DatabaseClient>;
  readonly #idle: DatabaseClient[] = [];
  readonly #all: DatabaseClient[] = [];
  readonly #waiting: (() => void)[] = [];
  #opened = 1;

  private constructor(
    target: DatabaseTarget,
    first: DatabaseClient,
    connectSeconds: number,
    open: () => Promise<DatabaseClient>,
  ) {
    this.target = target;
    this.connectSeconds = connectSeconds;
    this.#open = open;
    this.#idle.push(first);
    this.#all.push(first);
  }

  /** Connects. Throws an error of exit code 5 that names the stage it failed at. */
  static async connect(
    target: DatabaseTarget,
    config: Config,
    signal: AbortSignal,
  ): Promise<DatabaseProbe> {
    const { timeoutSeconds } = config.health;
    const { connectTimeoutSeconds } = config.database;
    const options = {
      purpose: 'health',
      settings: {
        ...config.database,
        connectTimeoutSeconds: Math.min(connectTimeoutSeconds, timeoutSeconds),
        statementTimeoutSeconds: timeoutSeconds,
        lockTimeoutSeconds: Math.min(lockSeconds, timeoutSeconds),
      },
      signal,
      readOnly: true,
    };
    const started = performance.now();
    const open = () => openClient(target, options);
    const first = await open();
    return new DatabaseProbe(target, first, (performance.now() - started) / 1000, open);
  }

  /** Rows of a question, in a transaction where the endpoint keeps no session settings. */
  query<Row extends QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]> {
    return this.lease((client) =>
      this.target.endpoint === 'pooler'
        ? client.transaction(() => client.query<Row>(sql, values), 'READ ONLY')
        : client.query<Row>(sql, values),
    );
  }

  /** The first row; a question about the server always has one. */
  async one<Row extends QueryResultRow>(sql: string, values?: unknown[]): Promise<Row> {
    const [row] = await this.query<Row>(sql, values);
    if (row === undefined) throw new Error(`No row from: ${sql}`);
    return row;
  }

  /** A connection of one's own for the duration of the work. */
  async lease<T>(work: (client: DatabaseClient) => Promise<T>): Promise<T> {
    const client = await this.#take();
    try {
      return await work(client);
    } finally {
      this.#idle.push(client);
      this.#waiting.shift()?.();
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((client) => client.close()));
  }

  async #take(): Promise<DatabaseClient> {
    for (;;) {
      const idle = this.#idle.pop();
      if (idle !== undefined) return idle;
      if (this.#opened < mostConnections) {
        this.#opened += 1;
        const client = await this.#tryOpen();
        if (client !== undefined) return client;
        // The first may have come free meanwhile.
        continue;
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** A server that has no second connection to give leaves us with the first. */
  async #tryOpen(): Promise<DatabaseClient | undefined> {
    try {
      const client = await this.#open();
      this.#all.push(client);
      return client;
    } catch {
      // The one that waits instead sees any trouble that lasts.
      return undefined;
    }
  }
}
