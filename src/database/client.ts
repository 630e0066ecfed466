import { setTimeout as wait } from 'node:timers/promises';
import type { Client, QueryResultRow } from 'pg';
import { interrupted, isOperatorError, throwIfAborted } from '../system/errors.js';
import { requestCancel } from './cancel.js';
import { type ClientOptions, connect, driverOf } from './connect.js';
import { describeDatabaseError } from './errors.js';
import type { DatabaseTarget } from './target.js';

export type { ClientOptions } from './connect.js';

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
  const connection = await connect(target, options);
  const client = new CancellableClient(connection, target, options);
  try {
    // A pooler in transaction mode forgets what a session sets; there, transactions set it.
    if (target.endpoint !== 'pooler') await client.configure('session');
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

/** How long the server may take to cancel a statement before we hang up, and to say goodbye. */
const cancelMilliseconds = 1000;
const graceMilliseconds = 700;
const closeMilliseconds = 1000;

class CancellableClient implements DatabaseClient {
  readonly #client: Client;
  readonly #target: DatabaseTarget;
  readonly #options: ClientOptions;
  readonly #readOnly: boolean;
  #inTransaction = false;

  constructor(client: Client, target: DatabaseTarget, options: ClientOptions) {
    this.#client = client;
    this.#target = target;
    this.#options = options;
    this.#readOnly = options.readOnly === true || target.readOnly === true;
  }

  async query<Row extends QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]> {
    return this.#alone(() =>
      this.use(async (client) => (await client.query<Row>(sql, values)).rows),
    );
  }

  async execute(sql: string, values?: unknown[]): Promise<number> {
    return this.#alone(() =>
      this.use(async (client) => (await client.query(sql, values)).rowCount ?? 0),
    );
  }

  /** Behind a pooler only a transaction can be read-only: a statement alone becomes one. */
  #alone<T>(statement: () => Promise<T>): Promise<T> {
    const covered = this.#inTransaction || !this.#readOnly || this.#target.endpoint !== 'pooler';
    return covered ? statement() : this.transaction(statement);
  }

  async use<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const { signal, purpose } = this.#options;
    throwIfAborted(signal);
    let ended = false;
    let cancelling: Promise<void> | undefined;
    const cancel = () => {
      cancelling = this.#cancel(() => ended);
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
      ended = true;
      signal.removeEventListener('abort', cancel);
      // A late cancellation must not meet the next statement.
      await cancelling;
    }
  }

  async transaction<T>(work: () => Promise<T>, mode = ''): Promise<T> {
    const outer = this.#inTransaction;
    this.#inTransaction = true;
    try {
      await this.execute(`BEGIN ${mode}`);
      if (this.#target.endpoint === 'pooler') await this.configure('transaction');
      const result = await work();
      await this.execute('COMMIT');
      return result;
    } catch (error) {
      // The connection may be gone or the signal fired; the server rolls back by itself then.
      await this.#client.query('ROLLBACK').catch(() => undefined);
      throw error;
    } finally {
      this.#inTransaction = outer;
    }
  }

  async close(): Promise<void> {
    const end = this.#client.end();
    const hangUp = setTimeout(() => this.#hangUp(), closeMilliseconds);
    try {
      await end;
    } finally {
      clearTimeout(hangUp);
    }
  }

  /** Sets limits and formats, for the session or for the transaction that is open. */
  async configure(scope: 'session' | 'transaction'): Promise<void> {
    const { settings } = this.#options;
    const local = scope === 'transaction';
    const values = {
      lock_timeout: milliseconds(settings.lockTimeoutSeconds),
      statement_timeout: milliseconds(settings.statementTimeoutSeconds),
      idle_in_transaction_session_timeout: milliseconds(settings.idleInTransactionTimeoutSeconds),
      TimeZone: 'UTC',
      DateStyle: 'ISO, YMD',
      IntervalStyle: 'iso_8601',
      ...(this.#readOnly
        ? { [local ? 'transaction_read_only' : 'default_transaction_read_only']: 'on' }
        : {}),
    };
    await this.query(
      'SELECT set_config(name, value, $3) FROM unnest($1::text[], $2::text[]) AS given (name, value)',
      [Object.keys(values), Object.values(values), local],
    );
  }

  /** Cancels what the backend is doing; hangs up when the server does not react in time. */
  async #cancel(ended: () => boolean): Promise<void> {
    if (!(await requestCancel(this.#client, this.#target, cancelMilliseconds))) {
      this.#hangUp();
      return;
    }
    const until = Date.now() + graceMilliseconds;
    while (!ended()) {
      if (Date.now() > until) {
        this.#hangUp();
        return;
      }
      await wait(10);
    }
  }

  /** Closes our side: pending work fails at once, and the server notices at its next write. */
  #hangUp(): void {
    driverOf(this.#client).connection.stream.destroy();
  }
}
