import type { Client, QueryResultRow } from 'pg';
import type { Config } from '../config/schema.js';
import { interrupted, isOperatorError, throwIfAborted } from '../system/errors.js';
import { describeDatabaseError } from './errors.js';
import type { DatabaseTarget } from './target.js';

export interface ClientOptions {
  /** Shown in pg_stat_activity, after `reviewops `: `extract review`. */
  purpose: string;
  settings: Config['database'];
  signal: AbortSignal;
  /** The session refuses writes (`default_transaction_read_only`). */
  readOnly?: boolean;
}

/**
 * One connection. Queries end when the signal fires: the backend is cancelled, and the call rejects
 * with `INTERRUPTED`. Other errors are OperatorErrors made by errors.ts.
 */
export interface DatabaseClient {
  query<Row extends QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** Rows affected instead of rows. */
  execute(sql: string, values?: unknown[]): Promise<number>;
  /**
   * Runs work on the driver's own client (COPY streams), with the same cancellation and errors.
   */
  use<T>(work: (client: Client) => Promise<T>): Promise<T>;
  /** BEGIN … COMMIT around the work, ROLLBACK when it throws. */
  transaction<T>(work: () => Promise<T>, mode?: string): Promise<T>;
  close(): Promise<void>;
}

/** Opens a connection with the timeouts of the configuration. */
export async function openClient(
  target: DatabaseTarget,
  options: ClientOptions,
): Promise<DatabaseClient> {
  throwIfAborted(options.signal);
  const { default: pg } = await import('pg');
  const connection = new pg.Client(connectionSettings(target, options));
  // Without a listener a connection that breaks while idle would end the process.
  connection.on('error', () => undefined);
  try {
    await connection.connect();
  } catch (error) {
    throw describeDatabaseError(error, target, options.purpose);
  }
  const client = new CancellableClient(connection, target, options);
  try {
    if (target.endpoint !== 'pooler') {
      // A pooler in transaction mode refuses startup options and forgets SET.
      const { lockTimeoutSeconds, statementTimeoutSeconds, idleInTransactionTimeoutSeconds } =
        options.settings;
      await client.query(
        `SELECT set_config('lock_timeout', $1, false), set_config('statement_timeout', $2, false),
                set_config('idle_in_transaction_session_timeout', $3, false),
                set_config('default_transaction_read_only', $4, false),
                set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO, YMD', false),
                set_config('IntervalStyle', 'iso_8601', false)`,
        [
          milliseconds(lockTimeoutSeconds),
          milliseconds(statementTimeoutSeconds),
          milliseconds(idleInTransactionTimeoutSeconds),
          options.readOnly === true ? 'on' : 'off',
        ],
      );
    }
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** Opens a connection for the duration of `work`. */
export async function withClient<T>(
  target: DatabaseTarget,
  options: ClientOptions,
  work: (client: DatabaseClient) => Promise<T>,
): Promise<T> {
  const client = await openClient(target, options);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

const milliseconds = (seconds: number): string => String(Math.round(seconds * 1000));

const connectionSettings = (target: DatabaseTarget, options: ClientOptions) => ({
  connectionString: target.url,
  application_name: `reviewops ${options.purpose}`,
  connectionTimeoutMillis: options.settings.connectTimeoutSeconds * 1000,
  keepAlive: true,
});

class CancellableClient implements DatabaseClient {
  readonly #client: Client;
  readonly #target: DatabaseTarget;
  readonly #options: ClientOptions;

  constructor(client: Client, target: DatabaseTarget, options: ClientOptions) {
    this.#client = client;
    this.#target = target;
    this.#options = options;
  }

  async query<Row extends QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]> {
    return this.use(async (client) => (await client.query<Row>(sql, values)).rows);
  }

  async execute(sql: string, values?: unknown[]): Promise<number> {
    return this.use(async (client) => (await client.query(sql, values)).rowCount ?? 0);
  }

  async use<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const { signal, purpose } = this.#options;
    throwIfAborted(signal);
    let cancelling: Promise<void> | undefined;
    const cancel = () => {
      cancelling = this.#cancelBackend();
    };
    signal.addEventListener('abort', cancel, { once: true });
    try {
      return await work(this.#client);
    } catch (error) {
      if (signal.aborted) {
        throw isOperatorError(signal.reason) ? signal.reason : interrupted();
      }
      throw describeDatabaseError(error, this.#target, purpose);
    } finally {
      signal.removeEventListener('abort', cancel);
      await cancelling;
    }
  }

  async transaction<T>(work: () => Promise<T>, mode = ''): Promise<T> {
    await this.execute(`BEGIN ${mode}`);
    try {
      const result = await work();
      await this.execute('COMMIT');
      return result;
    } catch (error) {
      // The connection may be gone or the signal fired; the server rolls back by itself then.
      await this.#client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#client.end();
  }

  /** Cancels what the backend is doing, from a second connection; breaks the first if that fails. */
  async #cancelBackend(): Promise<void> {
    const { default: pg } = await import('pg');
    // The driver keeps the backend's pid; its types do not say so.
    const { processID } = this.#client as unknown as { processID: number | null };
    const helper = new pg.Client({
      ...connectionSettings(this.#target, { ...this.#options, purpose: 'cancel' }),
      connectionTimeoutMillis: 1000,
    });
    helper.on('error', () => undefined);
    try {
      await helper.connect();
      await helper.query('SELECT pg_cancel_backend($1)', [processID]);
    } catch {
      // Unreachable: closing our side makes the server notice at its next write.
      (
        this.#client as unknown as { connection: { stream: { destroy(): void } } }
      ).connection.stream.destroy();
    } finally {
      await helper.end().catch(() => undefined);
    }
  }
}
