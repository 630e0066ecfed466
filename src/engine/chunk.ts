import type { DuckDBDataChunk } from '@duckdb/node-api';
import type duckdb from '@duckdb/node-bindings';

/** The driver's functions for the memory of a chunk. */
export type ChunkMemory = Pick<
  typeof duckdb,
  'data_chunk_get_vector' | 'vector_get_data' | 'get_data_from_pointer'
>;

/** Where the bytes of each row's value are. */
export interface ChunkBytes {
  /** By row; rows share them. */
  sources: Uint8Array[];
  /** First byte in the source, by row. */
  starts: Int32Array;
  /** In bytes, by row. */
  lengths: Int32Array;
}

/** What the engine keeps of a string: its length, then up to 12 bytes of it, or 4 and a pointer. */
const stringBytes = 16;
const inlineOffset = 4;
const inlineBytes = 12;
const pointerOffset = 8;

/**
 * Reads columns without nulls from where the engine has them, many values at once: the driver makes
 * an object of every value. What is given is valid as long as this reader is referred to.
 */
export class ChunkReader {
  readonly rows: number;
  readonly #memory: ChunkMemory;
  /** Holds the memory that was given out. */
  readonly #chunk: DuckDBDataChunk;

  constructor(memory: ChunkMemory, chunk: DuckDBDataChunk) {
    this.#memory = memory;
    this.#chunk = chunk;
    this.rows = chunk.rowCount;
  }

  /** An INTEGER column. */
  integers(column: number): Int32Array {
    const data = this.#data(column, Int32Array.BYTES_PER_ELEMENT);
    return new Int32Array(data.buffer, data.byteOffset, this.rows);
  }

  /** A BIGINT column. */
  bigints(column: number): BigInt64Array {
    const data = this.#data(column, BigInt64Array.BYTES_PER_ELEMENT);
    return new BigInt64Array(data.buffer, data.byteOffset, this.rows);
  }

  /** A DOUBLE column. */
  doubles(column: number): Float64Array {
    const data = this.#data(column, Float64Array.BYTES_PER_ELEMENT);
    return new Float64Array(data.buffer, data.byteOffset, this.rows);
  }

  /**
   * A BLOB or VARCHAR column. The engine lays most values end to end: what lies so is fetched at once,
   * where fetching each takes longer than all else that is done with it.
   */
  bytes(column: number): ChunkBytes {
    const data = this.#data(column, stringBytes);
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const sources: Uint8Array[] = [];
    const starts = new Int32Array(this.rows);
    const lengths = new Int32Array(this.rows);
    for (let row = 0; row < this.rows; ) {
      const length = view.getUint32(row * stringBytes, true);
      if (length <= inlineBytes) {
        sources.push(data);
        starts[row] = row * stringBytes + inlineOffset;
        lengths[row] = length;
        row += 1;
        continue;
      }
      const first = row;
      const pointer = view.getBigUint64(first * stringBytes + pointerOffset, true);
      let total = 0;
      for (; row < this.rows; row += 1) {
        const next = view.getUint32(row * stringBytes, true);
        if (next <= inlineBytes) break;
        const at = view.getBigUint64(row * stringBytes + pointerOffset, true);
        if (at !== pointer + BigInt(total)) break;
        starts[row] = total;
        lengths[row] = next;
        total += next;
      }
      const source = this.#memory.get_data_from_pointer(
        data.buffer as ArrayBuffer,
        data.byteOffset + first * stringBytes + pointerOffset,
        total,
      );
      for (let at = first; at < row; at += 1) sources.push(source);
    }
    return { sources, starts, lengths };
  }

  /** The memory of a column, `width` bytes a row. */
  #data(column: number, width: number): Uint8Array {
    const vector = this.#memory.data_chunk_get_vector(this.#chunk.chunk, column);
    return this.#memory.vector_get_data(vector, this.rows * width);
  }
}
