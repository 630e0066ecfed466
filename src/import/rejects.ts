import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describeFileError, makeDirectory, syncDirectory } from '../system/files.js';

/** One record that was not loaded, as the rejects file shows it. */
export interface Reject {
  file: string;
  /** Physical line the record starts on, from 1. */
  line: number;
  rule: string;
  reason: string;
  /** The fields of a CSV or TSV record; the raw text where it was malformed, and of JSON Lines. */
  record: unknown;
}

/**
 * Collects rejects in a scratch file while the import runs, and publishes them in one step. The
 * file holds personal data: only its owner may read it.
 */
export class RejectsFile {
  readonly #scratch: string;
  #handle: FileHandle | undefined;
  #pending: string[] = [];
  count = 0;

  constructor(scratchDirectory: string) {
    this.#scratch = join(scratchDirectory, 'rejects.jsonl');
  }

  add(reject: Reject): void {
    this.count += 1;
    this.#pending.push(`${JSON.stringify(reject)}\n`);
  }

  /** Writes what was added since the last call. */
  async flush(): Promise<void> {
    if (this.#pending.length === 0) return;
    const text = this.#pending.join('');
    this.#pending = [];
    try {
      this.#handle ??= await open(this.#scratch, 'w', 0o600);
      await this.#handle.appendFile(text);
    } catch (error) {
      throw describeFileError(error, this.#scratch);
    }
  }

  /** Appends the lines of a JSON Lines file that holds `rows` rejects. */
  async append(path: string, rows: number): Promise<void> {
    await this.flush();
    this.count += rows;
    try {
      this.#handle ??= await open(this.#scratch, 'w', 0o600);
      for await (const chunk of createReadStream(path)) await this.#handle.appendFile(chunk);
    } catch (error) {
      throw describeFileError(error, this.#scratch);
    }
  }

  /**
   * Publishes the file as `directory/import-<time>.jsonl`; null when nothing was rejected. A second
   * import within the same millisecond gets a name of its own.
   */
  async publish(directory: string, now: Date): Promise<string | null> {
    await this.flush();
    if (this.count === 0) return null;
    const stamp = now.toISOString().replaceAll(':', '').replace('.', '-');
    const path = join(directory, `import-${stamp}-${process.pid}.jsonl`);
    const temporary = join(directory, `.import-${stamp}-${process.pid}.tmp`);
    try {
      await this.#handle?.close();
      this.#handle = undefined;
      await makeDirectory(directory, 0o700);
      // Copied, not renamed: scratch may be on another disk.
      const target = await open(temporary, 'wx', 0o600);
      try {
        for await (const chunk of createReadStream(this.#scratch)) await target.appendFile(chunk);
        await target.sync();
      } finally {
        await target.close();
      }
      await rename(temporary, path);
      await syncDirectory(dirname(path));
      return path;
    } catch (error) {
      await rm(temporary, { force: true });
      throw describeFileError(error, path);
    }
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }
}
