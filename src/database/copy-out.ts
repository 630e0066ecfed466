import type { Duplex } from 'node:stream';
import type { Connection, Submittable } from 'pg';

/** Whole rows as the server sent them, line ends included. */
export interface RowBatch {
  /** Valid only during the call. */
  bytes: Buffer;
  rows: number;
  /** Bytes of the longest row. */
  longest: number;
}

/**
 * Takes rows. A returned promise stops the server until it resolves; what has already arrived
 * still comes.
 */
export type BatchHandler = (batch: RowBatch) => Promise<void> | undefined;

/** Type of the protocol's message that carries one row of COPY. */
const copyData = 0x64;
const headerBytes = 5;

/**
 * A query of one's own for the driver: `COPY … TO STDOUT`.
 *
 * The driver makes three objects for every message, and the protocol sends every row in a message
 * of its own: for millions of rows that costs more than all else here. So the rows are taken out
 * of the stream before it reaches the driver's parser, which goes on handling everything else.
 */
export class CopyOut implements Submittable {
  /** Settles when the server is ready for the next query, or the connection is lost. */
  readonly rows: Promise<number>;
  readonly #sql: string;
  readonly #onRows: BatchHandler;
  #stream: Duplex | undefined;
  #driver: (data: Buffer) => void = () => undefined;
  readonly #listener = (data: Buffer) => this.#read(data);
  #resolve: (rows: number) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #count = 0;
  #paused = false;
  #failure: { error: unknown } | undefined;

  /** Start of a message whose header is not complete yet. */
  readonly #header = Buffer.alloc(headerBytes);
  #headerFilled = 0;
  #isRow = false;
  /** Bytes of the present message that are still to come. */
  #missing = 0;
  /** Start of a row whose end has not arrived yet. */
  #carry = Buffer.alloc(0);
  #carried = 0;

  constructor(sql: string, onRows: BatchHandler) {
    this.#sql = sql;
    this.#onRows = onRows;
    this.rows = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  submit(connection: Connection): void {
    const { stream } = connection;
    const [driver, ...others] = stream.listeners('data');
    if (driver === undefined || others.length > 0) {
      throw new Error('The connection is not read by the driver alone.');
    }
    this.#stream = stream;
    this.#driver = driver as (data: Buffer) => void;
    stream.off('data', this.#driver);
    stream.on('data', this.#listener);
    connection.query(this.#sql);
  }

  handleCommandComplete(message: { text: string }): void {
    this.#count = Number(/^COPY (\d+)$/.exec(message.text)?.[1] ?? 0);
  }

  handleReadyForQuery(): void {
    this.#detach();
    this.#resolve(this.#count);
  }

  handleError(error: unknown): void {
    this.#detach();
    this.#reject(this.#failure?.error ?? error);
  }

  #detach(): void {
    this.#stream?.off('data', this.#listener);
    this.#stream?.on('data', this.#driver);
  }

  /** Goes through the messages in what arrived; full rows are moved together in place. */
  #read(data: Buffer): void {
    let position = 0;
    // The region of full rows that are not handed over yet.
    let from = 0;
    let to = 0;
    let rows = 0;
    let longest = 0;
    const handOver = () => {
      if (rows > 0) this.#deliver(data.subarray(from, to), rows, longest);
      rows = 0;
      longest = 0;
    };
    while (position < data.length) {
      if (this.#missing === 0) {
        if (this.#headerFilled === 0 && data.length - position >= headerBytes) {
          this.#isRow = data[position] === copyData;
          this.#missing = data.readInt32BE(position + 1) - 4;
          if (!this.#isRow) {
            handOver();
            this.#driver(data.subarray(position, position + headerBytes));
          }
          position += headerBytes;
        } else {
          position += this.#readHeader(data, position, handOver);
          if (this.#headerFilled > 0) break;
        }
        if (this.#missing === 0) continue;
      }
      const length = Math.min(this.#missing, data.length - position);
      if (!this.#isRow) {
        handOver();
        this.#driver(data.subarray(position, position + length));
      } else if (this.#carried === 0 && length === this.#missing) {
        if (rows === 0) {
          from = position;
          to = position;
        }
        data.copyWithin(to, position, position + length);
        to += length;
        rows += 1;
        if (length > longest) longest = length;
      } else {
        handOver();
        this.#append(data, position, length);
        if (length === this.#missing) this.#deliverCarry();
      }
      this.#missing -= length;
      position += length;
    }
    handOver();
  }

  /** Collects a header that arrives in parts; returns how many bytes it took. */
  #readHeader(data: Buffer, position: number, handOver: () => void): number {
    const taken = data.copy(this.#header, this.#headerFilled, position);
    this.#headerFilled += taken;
    if (this.#headerFilled < headerBytes) return taken;
    this.#headerFilled = 0;
    this.#isRow = this.#header[0] === copyData;
    this.#missing = this.#header.readInt32BE(1) - 4;
    if (!this.#isRow) {
      handOver();
      // The driver may keep it until the rest of the message arrives.
      this.#driver(Buffer.from(this.#header));
    }
    return taken;
  }

  #append(data: Buffer, position: number, length: number): void {
    const needed = this.#carried + length;
    if (needed > this.#carry.length) {
      // The message's length is known: a long row needs no growing in steps.
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#carried + this.#missing, 1 << 16));
      this.#carry.copy(larger, 0, 0, this.#carried);
      this.#carry = larger;
    }
    data.copy(this.#carry, this.#carried, position, position + length);
    this.#carried = needed;
  }

  #deliverCarry(): void {
    const length = this.#carried;
    this.#carried = 0;
    this.#deliver(this.#carry.subarray(0, length), 1, length);
  }

  #deliver(bytes: Buffer, rows: number, longest: number): void {
    if (this.#failure !== undefined) return;
    try {
      const wait = this.#onRows({ bytes, rows, longest });
      if (wait !== undefined && !this.#paused) this.#pause(wait);
    } catch (error) {
      this.#fail(error);
    }
  }

  #pause(wait: Promise<void>): void {
    this.#paused = true;
    this.#stream?.pause();
    wait.then(
      () => {
        this.#paused = false;
        this.#stream?.resume();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    this.#stream?.destroy();
    this.#reject(error);
  }
}
