import type { DuckDBBlobVector, DuckDBDataChunk } from '@duckdb/node-api';

/** Values laid end to end. */
export interface BlobPiece {
  bytes: Buffer;
  values: number;
}

const pieceBytes = 1 << 20;

/** Lays the values of a chunk's only column, BLOBs that are not null, end to end. */
export class BlobCollector {
  #buffer = Buffer.allocUnsafeSlow(pieceBytes);
  #used = 0;
  #values = 0;

  /** Takes a chunk's values; gives the pieces that became full. */
  *add(chunk: DuckDBDataChunk): Iterable<BlobPiece> {
    const vector = chunk.getColumnVector(0) as DuckDBBlobVector;
    for (let row = 0; row < chunk.rowCount; row += 1) {
      const value = vector.getItemBytes(row);
      if (value === null) throw new Error('The query gave a NULL where a BLOB was expected.');
      if (this.#used + value.length > this.#buffer.length) {
        yield* this.rest();
        this.#buffer = Buffer.allocUnsafeSlow(Math.max(pieceBytes, value.length));
      }
      this.#buffer.set(value, this.#used);
      this.#used += value.length;
      this.#values += 1;
    }
  }

  /** What is left. */
  *rest(): Iterable<BlobPiece> {
    if (this.#values === 0) return;
    yield { bytes: this.#buffer.subarray(0, this.#used), values: this.#values };
    // Whoever took the piece keeps its memory.
    this.#buffer = Buffer.alloc(0);
    this.#used = 0;
    this.#values = 0;
  }
}
