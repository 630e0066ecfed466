import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { DatabaseClient } from './client.js';
import { type BatchHandler, CopyOut } from './copy-out.js';
import { RowFile } from './row-file.js';

export interface Copied {
  /** As the server counted them. */
  rows: number;
  bytes: number;
}

/**
 * Runs `COPY … TO STDOUT` and hands over its rows, in batches as they arrive.
 *
 * When the handler fails, its error is thrown and the connection is broken off: what the server
 * would still send is not worth waiting for.
 *
 * @returns the number of rows, as the server counted them
 */
export async function copyOut(
  client: DatabaseClient,
  sql: string,
  onRows: BatchHandler,
): Promise<number> {
  return client.use((connection) => {
    const copy = new CopyOut(sql, onRows);
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
    const rows = await copyOut(client, sql, (batch) => file.add(batch));
    await file.finish();
    await file.close();
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
