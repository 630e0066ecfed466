import { constants } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { describeFileError } from '../system/files.js';
import type { RowBatch } from './copy-out.js';

/** Rows gather in memory up to this size before they are written. */
const bufferBytes = 1 << 20;
/** Full buffers that may wait for the disk before the sender has to. */
const maximumWaiting = 2;

/**
 * A local file that rows are appended to, without holding more than a few buffers in memory.
 * File errors are OperatorErrors that name the path (`DISK_FULL`, `PERMISSION_DENIED`).
 */
export class RowFile {
  readonly path: string;
  #rows = 0;
  #bytes = 0;
  #longest = 0;
  readonly #handle: Promise<FileHandle>;
  #buffer: Buffer = Buffer.allocUnsafeSlow(bufferBytes);
  #used = 0;
  #waiting = 0;
  #spare: Buffer[] = [];
  #written: Promise<void>;
  #position = 0;

  readonly #present: number;

  /**
   * Creates or empties the file, or writes over the `present` bytes that it holds; an error of that
   * is thrown by the first write or by `finish`.
   */
  constructor(path: string, present?: number) {
    this.path = path;
    this.#present = present ?? 0;
    const empty = present === undefined ? constants.O_TRUNC : 0;
    this.#handle = open(path, constants.O_RDWR | constants.O_CREAT | empty, 0o600);
    this.#written = this.#handle.then(
      () => undefined,
      (error: unknown) => {
        throw describeFileError(error, path);
      },
    );
    // Thrown by whoever awaits it next.
    this.#written.catch(() => undefined);
  }

  get rows(): number {
    return this.#rows;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes of the longest row so far. */
  get longest(): number {
    return this.#longest;
  }

  /**
   * Copies rows. A promise is returned when the disk lags behind: the sender should wait for it
   * before it sends more. It rejects when a write failed.
   */
  add({ bytes, rows, longest }: RowBatch): Promise<void> | undefined {
    this.#rows += rows;
    this.#bytes += bytes.length;
    if (longest > this.#longest) this.#longest = longest;
    if (this.#used + bytes.length > this.#buffer.length) {
      this.#flush();
      if (bytes.length > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(bytes.length);
    }
    bytes.copy(this.#buffer, this.#used);
    this.#used += bytes.length;
    return this.#waiting > maximumWaiting ? this.#written : undefined;
  }

  /** Writes what is left, and cuts off what was there before: the file can be read now. */
  async finish(): Promise<void> {
    this.#flush();
    this.#spare = [];
    await this.#written;
    // Every call of the system waits for a turn among the rows that arrive.
    if (this.#present > this.#position) await (await this.#handle).truncate(this.#position);
  }

  async close(): Promise<void> {
    const handle = await this.#handle.catch(() => undefined);
    await handle?.close();
  }

  /** Closes and removes the file, whatever state it is in. */
  async discard(): Promise<void> {
    await this.#written.catch(() => undefined);
    await this.close();
    await rm(this.path, { force: true });
  }

  #flush(): void {
    if (this.#used === 0) return;
    const buffer = this.#buffer;
    const bytes = this.#used;
    const position = this.#position;
    this.#position += bytes;
    this.#waiting += 1;
    this.#written = this.#written.then(async () => {
      await this.#write(buffer.subarray(0, bytes), position);
      this.#waiting -= 1;
      if (buffer.length === bufferBytes) this.#spare.push(buffer);
    });
    this.#written.catch(() => undefined);
    this.#buffer = this.#spare.pop() ?? Buffer.allocUnsafeSlow(bufferBytes);
    this.#used = 0;
  }

  async #write(data: Buffer, position: number): Promise<void> {
    try {
      const handle = await this.#handle;
      for (let done = 0; done < data.length; ) {
        const { bytesWritten } = await handle.write(
          data,
          done,
          data.length - done,
          position + done,
        );
        done += bytesWritten;
      }
    } catch (error) {
      throw describeFileError(error, this.path);
    }
  }
}
