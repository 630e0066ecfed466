import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, lstat, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errorCode, refused } from '../system/errors.js';
import { makeDirectory } from '../system/files.js';
import { type Owner, ownerState, thisProcess } from '../system/owner.js';
import type { Key } from './lake.js';

/** Seconds without a change after which what another machine left is taken for abandoned. */
const abandonedAfter = { lock: 60, tmp: 3600 } as const;
const lockTimeoutSeconds = 30;

const hex = (text: string, length: number): string =>
  createHash('sha256').update(text).digest('hex').slice(0, length);

interface Entry {
  name: string;
  keyHash: string;
  owner: Owner;
  kind: 'lock' | 'tmp';
}

const entryPattern = /^([0-9a-f]{32})\.([0-9a-f]{16})\.(\d+)-(\w*)-([0-9a-f]{12})\.(lock|tmp)$/;

/**
 * The directory beside the objects for unfinished files and locks. Each name carries its key and
 * the process that made it, so whatever a crash leaves here is recognised and removed by the next
 * writer. Names are never used twice: removing one that belongs to a dead process cannot hit
 * a live one.
 */
export class Workspace {
  readonly #directory: string;
  readonly #self = thisProcess();
  readonly #machine = hex(this.#self.machine, 12);
  #prepared: Promise<void> | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Makes the directory and, the first time, clears it of what dead processes left. */
  async prepare(): Promise<void> {
    this.#prepared ??= this.#sweep();
    try {
      await this.#prepared;
    } catch (error) {
      this.#prepared = undefined;
      throw error;
    }
  }

  /** A fresh path for an unfinished object. */
  temporary(key: Key): string {
    return this.#path(key, 'tmp');
  }

  /** Opens a fresh path for writing; makes the directory again when somebody removed it. */
  async create(path: string): Promise<FileHandle> {
    try {
      return await open(path, 'wx');
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
      await makeDirectory(this.#directory);
      return await open(path, 'wx');
    }
  }

  /**
   * Runs `work` while no other process or task holds the lock of this key. `LAKE_BUSY` after
   * 30 seconds of waiting.
   *
   * Each contender raises a flag (a file with a name of its own) and then looks for others: who
   * sees none holds the lock. Two cannot miss each other, because each raised its flag before it
   * looked. When several see each other, the smallest name stays and waits, the rest take their
   * flags down and try again, so one always gets through. Flags of dead processes do not count.
   */
  async withLock<T>(key: Key, work: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + lockTimeoutSeconds * 1000;
    for (let pause = 1; ; pause = Math.min(pause * 2, 20)) {
      const flag = this.#path(key, 'lock');
      await this.#raise(flag);
      try {
        if (await this.#alone(key, flag, deadline)) return await work();
      } finally {
        await rm(flag, { force: true });
      }
      if (performance.now() > deadline) {
        throw refused('LAKE_BUSY', `Another process keeps ${key} locked (${this.#directory}).`, {
          hint: 'Wait for the other command to end, then run it again.',
        });
      }
      await delay(pause * (0.5 + Math.random()));
    }
  }

  #path(key: Key, kind: Entry['kind']): string {
    const { pid, startedAt = '' } = this.#self;
    const unique = randomBytes(8).toString('hex');
    const owner = `${pid}-${startedAt}-${this.#machine}`;
    return join(this.#directory, `${hex(key, 32)}.${unique}.${owner}.${kind}`);
  }

  async #raise(flag: string): Promise<void> {
    const handle = await this.create(flag);
    await handle.close();
  }

  /** True once no other flag is up; false when one with a smaller name is, or time is over. */
  async #alone(key: Key, flag: string, deadline: number): Promise<boolean> {
    const own = flag.slice(this.#directory.length + 1);
    const keyHash = hex(key, 32);
    for (let pause = 1; performance.now() < deadline; pause = Math.min(pause * 2, 20)) {
      const others: Entry[] = [];
      for (const entry of await this.#entries()) {
        if (entry.kind !== 'lock' || entry.keyHash !== keyHash || entry.name === own) continue;
        if (await this.#abandoned(entry, flag)) await this.#remove(entry);
        else others.push(entry);
      }
      if (others.length === 0) return true;
      if (others.some((entry) => entry.name < own)) return false;
      await delay(pause);
    }
    return false;
  }

  async #sweep(): Promise<void> {
    await makeDirectory(this.#directory);
    const entries = await this.#entries();
    if (entries.length === 0) return;
    // A file of our own tells the time by the clock of the disk, which may be another machine's.
    const probe = this.#path('', 'tmp');
    await this.#raise(probe);
    try {
      for (const entry of entries) {
        if (await this.#abandoned(entry, probe)) await this.#remove(entry);
      }
    } finally {
      await rm(probe, { force: true });
    }
  }

  async #entries(): Promise<Entry[]> {
    const entries: Entry[] = [];
    for (const name of await readdir(this.#directory)) {
      const [, keyHash = '', , pid = '', startedAt = '', machine = '', kind] =
        entryPattern.exec(name) ?? [];
      if (kind !== 'lock' && kind !== 'tmp') continue;
      entries.push({
        name,
        keyHash,
        kind,
        owner: {
          ...this.#self,
          pid: Number(pid),
          startedAt: startedAt === '' ? undefined : startedAt,
          machine: machine === this.#machine ? this.#self.machine : machine,
        },
      });
    }
    return entries;
  }

  /** Whether the maker is dead; for another machine's, whether it has not changed for long. */
  async #abandoned(entry: Entry, clock: string): Promise<boolean> {
    const state = ownerState(entry.owner);
    if (state !== 'elsewhere') return state === 'gone';
    try {
      const [now, then] = await Promise.all([
        lstat(clock),
        lstat(join(this.#directory, entry.name)),
      ]);
      return now.mtimeMs - then.mtimeMs > abandonedAfter[entry.kind] * 1000;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return true;
      throw error;
    }
  }

  async #remove(entry: Entry): Promise<void> {
    await rm(join(this.#directory, entry.name), { force: true });
  }
}
