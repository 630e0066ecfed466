import { type FileHandle, open } from 'node:fs/promises';
import { readAt } from '../../engine/parquet-footer.js';

const piece = 4 * 2 ** 20;

/** A file that is written from its beginning to its end. */
export class Sink {
  readonly #handle: FileHandle;
  position = 0;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  static async create(path: string): Promise<Sink> {
    return new Sink(await open(path, 'wx'));
  }

  async write(bytes: Buffer): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, done);
      done += bytesWritten;
    }
    this.position += bytes.length;
  }

  /** Takes bytes over from another file, a piece at a time. */
  async copy(from: FileHandle, start: number, length: number): Promise<void> {
    for (let done = 0; done < length; done += piece) {
      await this.write(await readAt(from, start + done, Math.min(piece, length - done)));
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Whether two files hold the same bytes at these places. */
export async function sameBytes(
  one: { handle: FileHandle; start: number },
  other: { handle: FileHandle; start: number },
  length: number,
): Promise<boolean> {
  for (let done = 0; done < length; done += piece) {
    const here = Math.min(piece, length - done);
    const bytes = await readAt(one.handle, one.start + done, here);
    if (!bytes.equals(await readAt(other.handle, other.start + done, here))) return false;
  }
  return true;
}
