import { join } from 'node:path';
import type { DatabaseClient } from '../../database/client.js';
import { copyOut } from '../../database/copy.js';
import type { RowBatch } from '../../database/copy-out.js';
import type { RowFile } from '../../database/row-file.js';
import type { DraftFile } from '../../lake/publish.js';
import { type Converter, countMismatch } from './converter.js';
import type { Piece } from './plan.js';

export interface PieceCopyOptions {
  converter: Converter;
  /** Directory for finished files. */
  directory: string;
  /** Bytes after which a chunk is closed, at the end of a row. */
  chunkBytes: number;
  /** Called with the number of rows that arrived. */
  onRows: (rows: number) => void;
  /** Called as soon as a chunk cannot be converted, while the server still sends. */
  onFailure: (error: unknown) => void;
}

export interface CopiedPiece {
  /** How much arrived. */
  bytes: number;
  /**
   * The finished files in the order of the rows; none for a piece without rows. Rejects as
   * `copyPiece` does.
   */
  files: Promise<DraftFile[]>;
}

/**
 * Streams one piece of a table into chunk files, each of which becomes a Parquet file while the
 * next one fills. At most three chunks exist: one that is converted, one that waits, one that
 * fills; the server waits for the first before the third grows.
 *
 * Resolves when all rows have arrived and the connection is free; the last chunks become files
 * after that.
 *
 * @throws Unfit, EXTRACT_COUNT_MISMATCH and what database, disk and engine throw
 */
export async function copyPiece(
  client: DatabaseClient,
  piece: Piece,
  options: PieceCopyOptions,
): Promise<CopiedPiece> {
  return new PieceCopy(piece, options).run(client);
}

class PieceCopy {
  readonly #piece: Piece;
  readonly #options: PieceCopyOptions;
  readonly #files: DraftFile[] = [];
  #chunks = 0;
  #bytes = 0;
  #chunk: RowFile | undefined;
  #converting: Promise<void> = Promise.resolve();

  constructor(piece: Piece, options: PieceCopyOptions) {
    this.#piece = piece;
    this.#options = options;
  }

  async run(client: DatabaseClient): Promise<CopiedPiece> {
    try {
      const sent = await copyOut(client, this.#piece.sql, (batch) => this.#take(batch));
      this.#close();
      const files = this.#finish(sent);
      // Told by `onFailure` already; whoever awaits the files is told as well.
      files.catch(() => undefined);
      return { bytes: this.#bytes, files };
    } catch (error) {
      // A chunk that cannot be converted is why the rest failed.
      await this.#converting;
      throw error;
    } finally {
      await this.#chunk?.discard();
    }
  }

  async #finish(sent: number): Promise<DraftFile[]> {
    await this.#converting;
    const kept = this.#files.reduce((total, { rows }) => total + rows, 0);
    if (kept !== sent) throw countMismatch(this.#piece.plan.table.name, sent, kept);
    return this.#files;
  }

  #take(batch: RowBatch): Promise<void> | undefined {
    this.#chunk ??= this.#options.converter.openChunk();
    const wait = this.#chunk.add(batch);
    this.#bytes += batch.bytes.length;
    this.#options.onRows(batch.rows);
    return this.#chunk.bytes < this.#options.chunkBytes ? wait : this.#close();
  }

  /** Hands the chunk over. The promise resolves when the one before it is converted. */
  #close(): Promise<void> | undefined {
    const chunk = this.#chunk;
    if (chunk === undefined) return undefined;
    const { converter, directory, onFailure } = this.#options;
    const path = join(directory, `${this.#name()}.parquet`);
    this.#chunk = undefined;
    this.#chunks += 1;
    const previous = this.#converting;
    this.#converting = previous.then(
      async () => {
        this.#files.push(await converter.convert(this.#piece.plan, chunk, path));
      },
      async (error: unknown) => {
        await chunk.discard();
        throw error;
      },
    );
    this.#converting.catch(onFailure);
    return previous;
  }

  #name(): string {
    return `${this.#piece.plan.table.name}-${this.#piece.index}-${this.#chunks}`;
  }
}
