import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Connection, Submittable } from 'pg';
import { describeFileError } from '../system/files.js';
import type { DatabaseClient } from './client.js';
import { RowFile } from './row-file.js';

export interface Copied {
  /** As the server counted them. */
  rows: number;
  bytes: number;
}

/**
 * Takes one row as the server sent it, line end included. The buffer is valid only during the
 * call. A returned promise stops the server until it resolves; a few rows that have already
 * arrived still come.
 */
export type RowHandler = (row: Buffer) => Promise<void> | undefined;

/**
 * Runs `COPY … TO STDOUT` and hands over its rows one by one.
 *
 * When the handler fails, its error is thrown and the connection is broken off: what the server
 * would still send is not worth waiting for.
 *
 * @returns the number of rows, as the server counted them
 */
export async function copyOut(
  client: DatabaseClient,
  sql: string,
  onRow: RowHandler,
): Promise<number> {
  return client.use((connection) => {
    const copy = new CopyOut(sql, onRow);
    connection.query(copy);
    return copy.rows;
  });
}

/** Runs `COPY … TO STDOUT` into a local file, which is removed again when that fails. */
export async function copyToFile(
  client: DatabaseClient,
  sql: string,
  path: string,
): Promise<Copied> {
  const file = new RowFile(path);
  try {
    const rows = await copyOut(client, sql, (row) => file.add(row));
    await file.finish();
    return { rows, bytes: file.bytes };
  } catch (error) {
    await file.discard();
    throw error;
  }
}

/**
 * Runs `COPY … FROM STDIN` with the bytes of the source, in pieces of any size. When the source
 * fails, the server is told, takes nothing, and the source's error is thrown.
 */
export async function copyIn(
  client: DatabaseClient,
  sql: string,
  source: AsyncIterable<Uint8Array>,
): Promise<Copied> {
  const { from } = await import('pg-copy-streams');
  return client.use(async (connection) => {
    let bytes = 0;
    const counted = async function* () {
      for await (const piece of source) {
        bytes += piece.length;
        yield piece;
      }
    };
    const stream = connection.query(from(sql));
    await pipeline(Readable.from(counted(), { objectMode: true }), stream);
    return { rows: stream.rowCount, bytes };
  });
}

/** Runs `COPY … FROM STDIN` with the content of a local file. */
export async function copyFromFile(
  client: DatabaseClient,
  sql: string,
  path: string,
): Promise<Copied> {
  const file = createReadStream(path, { highWaterMark: 256 * 1024 });
  const content = async function* () {
    try {
      yield* file;
    } catch (error) {
      throw describeFileError(error, path);
    }
  };
  try {
    return await copyIn(client, sql, content());
  } finally {
    file.destroy();
  }
}

/**
 * The driver's interface for a query of one's own. The protocol carries exactly one row in each
 * CopyData message, so that no row has to be searched for in the bytes.
 */
class CopyOut implements Submittable {
  /** Settles when the server is ready for the next query, or the connection is lost. */
  readonly rows: Promise<number>;
  readonly #sql: string;
  readonly #onRow: RowHandler;
  #connection: Connection | undefined;
  #resolve: (rows: number) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #count = 0;
  #paused = false;
  #failure: { error: unknown } | undefined;

  constructor(sql: string, onRow: RowHandler) {
    this.#sql = sql;
    this.#onRow = onRow;
    this.rows = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  submit(connection: Connection): void {
    this.#connection = connection;
    connection.query(this.#sql);
  }

  handleCopyData(message: { chunk: Buffer }): void {
    if (this.#failure !== undefined) return;
    try {
      const wait = this.#onRow(message.chunk);
      if (wait !== undefined && !this.#paused) this.#pause(wait);
    } catch (error) {
      this.#fail(error);
    }
  }

  handleCommandComplete(message: { text: string }): void {
    this.#count = Number(/^COPY (\d+)$/.exec(message.text)?.[1] ?? 0);
  }

  handleReadyForQuery(): void {
    this.#resolve(this.#count);
  }

  handleError(error: unknown): void {
    this.#reject(this.#failure?.error ?? error);
  }

  #pause(wait: Promise<void>): void {
    const stream = this.#connection?.stream;
    this.#paused = true;
    stream?.pause();
    wait.then(
      () => {
        this.#paused = false;
        stream?.resume();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    this.#connection?.stream.destroy();
    this.#reject(error);
  }
}
