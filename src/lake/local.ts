import { type BigIntStats, constants } from 'node:fs';
import {
  copyFile,
  type FileHandle,
  open,
  rename,
  rm,
  rmdir,
  unlink,
  utimes,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { errorCode, isOperatorError, unreachable } from '../system/errors.js';
import { describeFileError, makeDirectory, syncFile } from '../system/files.js';
import { keyConflict, objectChanged, objectExists, objectNotFound } from './errors.js';
import { checkKey, checkPrefix } from './key.js';
import type {
  Key,
  Lake,
  LakeObject,
  LocalCopy,
  ObjectVersion,
  PutCondition,
  PutFileOptions,
} from './lake.js';
import {
  linkFile,
  lstatOrUndefined,
  readSmall,
  syncIfPresent,
  unlinkIfPresent,
} from './local-files.js';
import { describeFile, statFile, symbolicLink, walk } from './walk.js';
import { Workspace } from './workspace.js';

/**
 * A lake in a directory: a key is a path below `root`. The directory is made by the first write.
 *
 * A write goes to a temporary file in `.tmp` of the same top directory (so on the same file
 * system even where a layer is a mount of its own), is synced, renamed to its place, and the
 * directory is synced. All writes of one key, conditional or not, hold that key's lock (Workspace)
 * from the look at the present object to the rename, so conditions are atomic against other
 * processes. `root` itself may be a symbolic link; nothing below it may.
 */
export const openLocalLake = (root: string): Lake => new LocalLake(resolve(root));

const temporaryName = '.tmp';

class LocalLake implements Lake {
  readonly description: string;
  readonly #root: string;
  readonly #workspaces = new Map<string, Workspace>();

  constructor(root: string) {
    this.#root = root;
    this.description = `the local lake ${root}`;
  }

  async *list(prefix: Key): AsyncGenerator<LakeObject> {
    checkPrefix(prefix);
    try {
      this.#refuseLinks(prefix);
      yield* walk(this.#root, prefix);
    } catch (error) {
      throw this.#describe(error, prefix);
    }
  }

  head(key: Key): Promise<LakeObject | undefined> {
    return this.#guard(key, async (path) => {
      const stats = statFile(path);
      return stats === undefined ? undefined : describeFile(key, stats);
    });
  }

  read(key: Key): Promise<Buffer> {
    return this.#guard(key, async (path) => {
      const small = readSmall(path);
      if (small !== undefined) return small;
      const handle = await this.#openFile(key, path);
      try {
        return await handle.readFile();
      } finally {
        await handle.close();
      }
    });
  }

  async readVersion(key: Key): Promise<ObjectVersion | undefined> {
    for (;;) {
      const before = await this.head(key);
      if (before === undefined) return undefined;
      const body = await this.#readIfPresent(key);
      if (body === undefined) continue;
      // Replaced between the two, the bytes may belong to either.
      const after = await this.head(key);
      if (after?.etag === before.etag) return { body, etag: before.etag };
    }
  }

  openRead(key: Key): Promise<Readable> {
    return this.#guard(key, async (path) => {
      const handle = await this.#openFile(key, path);
      return handle.createReadStream({ highWaterMark: 1 << 20 });
    });
  }

  put(key: Key, body: string | Uint8Array, condition: PutCondition = {}): Promise<LakeObject> {
    return this.#guard(key, async (path) => {
      // What replaces nothing leaves nothing, not even the directory of a lake that was removed.
      this.#check(key, statFile(path), condition);
      const workspace = await this.#workspace(key);
      const temporary = workspace.temporary(key);
      try {
        const handle = await workspace.create(temporary);
        try {
          await handle.writeFile(body);
          await handle.sync();
        } finally {
          await handle.close();
        }
        return await this.#install(workspace, key, temporary, path, condition);
      } finally {
        await rm(temporary, { force: true });
      }
    });
  }

  putFile(key: Key, path: string, options: PutFileOptions = {}): Promise<LakeObject> {
    return this.#guard(key, async (target) => {
      this.#check(key, statFile(target), options);
      const workspace = await this.#workspace(key);
      if (options.keep !== true) {
        await syncFile(path);
        try {
          return await this.#install(workspace, key, path, target, options);
        } catch (error) {
          if (errorCode(error) !== 'EXDEV') throw error;
        }
      }
      const temporary = workspace.temporary(key);
      try {
        await copyFile(path, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
        await syncFile(temporary);
        const object = await this.#install(workspace, key, temporary, target, options);
        if (options.keep !== true) await unlink(path);
        return object;
      } finally {
        await rm(temporary, { force: true });
      }
    });
  }

  fetch(key: Key, _scratch: string): Promise<LocalCopy> {
    return this.#guard(key, async (path) => {
      if (statFile(path) === undefined) throw objectNotFound(this, key);
      // The lake's own file serves: there is nothing to dispose of.
      return { path, dispose: () => Promise.resolve() };
    });
  }

  async remove(keys: readonly Key[]): Promise<void> {
    const directories = new Set<string>();
    for (const key of keys) {
      await this.#guard(key, async (path) => {
        if (statFile(path) === undefined) return;
        await unlinkIfPresent(path);
        directories.add(dirname(path));
      });
    }
    for (const directory of directories) await this.#tidy(directory);
  }

  removeIfMatch(key: Key, etag: string): Promise<boolean> {
    return this.#guard(key, async (path) => {
      if (statFile(path) === undefined) return false;
      const workspace = await this.#workspace(key);
      const removed = await workspace.withLock(key, async () => {
        const stats = statFile(path);
        if (stats === undefined || describeFile(key, stats).etag !== etag) return false;
        await unlinkIfPresent(path);
        return true;
      });
      if (removed) await this.#tidy(dirname(path));
      return removed;
    });
  }

  async #readIfPresent(key: Key): Promise<Buffer | undefined> {
    try {
      return await this.read(key);
    } catch (error) {
      if (isOperatorError(error) && error.code === 'OBJECT_NOT_FOUND') return undefined;
      throw error;
    }
  }

  /** Moves a synced file to its place under the key's lock, when the condition holds. */
  async #install(
    workspace: Workspace,
    key: Key,
    from: string,
    to: string,
    condition: PutCondition,
  ): Promise<LakeObject> {
    const object = await workspace.withLock(key, async () => {
      const present = statFile(to);
      this.#check(key, present, condition);
      // The clock of file systems ticks every few milliseconds and inode numbers are reused: only
      // an explicit time, later than the present object's, makes every version's etag its own.
      // By two microseconds: on its way to the disk the number of seconds may lose most of one.
      const seconds = Math.max(microseconds(), mtimeMicroseconds(present) + 2) / 1e6;
      await utimes(from, seconds, seconds);
      await this.#move(key, from, to, condition.ifAbsent === true);
      const stats = statFile(to);
      if (stats === undefined) throw objectChanged(this, key);
      return describeFile(key, stats);
    });
    await syncIfPresent(dirname(to));
    return object;
  }

  #check(key: Key, present: BigIntStats | undefined, condition: PutCondition): void {
    if (condition.ifAbsent === true && present !== undefined) throw objectExists(this, key);
    if (condition.ifMatch === undefined) return;
    const etag = present === undefined ? undefined : describeFile(key, present).etag;
    if (etag !== condition.ifMatch) throw objectChanged(this, key);
  }

  async #move(key: Key, from: string, to: string, ifAbsent: boolean): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      await makeDirectory(dirname(to));
      try {
        if (!ifAbsent || !(await linkFile(from, to))) return await rename(from, to);
        return await unlink(from);
      } catch (error) {
        const code = errorCode(error);
        if (ifAbsent && code === 'EEXIST' && statFile(to) !== undefined)
          throw objectExists(this, key);
        // Another process may have removed the directory, empty until now, in between.
        if (code !== 'ENOENT' || attempt === 100 || lstatOrUndefined(from) === undefined)
          throw error;
      }
    }
  }

  /** Makes removals durable, and removes directories that became empty, up to the root. */
  async #tidy(directory: string): Promise<void> {
    await syncIfPresent(directory);
    for (let at = directory; at !== this.#root; at = dirname(at)) {
      try {
        await rmdir(at);
      } catch (error) {
        const code = errorCode(error) ?? '';
        if (['ENOTEMPTY', 'EEXIST', 'ENOENT', 'EBUSY'].includes(code)) return;
        throw this.#describe(error, at);
      }
      await syncIfPresent(dirname(at));
    }
  }

  async #workspace(key: Key): Promise<Workspace> {
    const [top, ...rest] = key.split('/');
    const parent = rest.length === 0 ? '' : (top ?? '');
    let workspace = this.#workspaces.get(parent);
    if (workspace === undefined) {
      workspace = new Workspace(join(this.#root, parent, temporaryName));
      this.#workspaces.set(parent, workspace);
    }
    await workspace.prepare();
    return workspace;
  }

  async #openFile(key: Key, path: string): Promise<FileHandle> {
    if (statFile(path) === undefined) throw objectNotFound(this, key);
    try {
      return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') throw objectNotFound(this, key);
      throw error;
    }
  }

  /** Refuses a key one of whose directories is a symbolic link. */
  #refuseLinks(key: Key): void {
    let path = this.#root;
    for (const segment of key.split('/').slice(0, -1)) {
      path = join(path, segment);
      const stats = lstatOrUndefined(path);
      if (stats === undefined) return;
      if (stats.isSymbolicLink()) throw symbolicLink(path);
    }
  }

  async #guard<T>(key: Key, work: (path: string) => Promise<T>): Promise<T> {
    checkKey(key);
    try {
      this.#refuseLinks(key);
      return await work(join(this.#root, key));
    } catch (error) {
      throw this.#describe(error, key);
    }
  }

  #describe(error: unknown, place: string): unknown {
    if (isOperatorError(error)) return error;
    const code = errorCode(error) ?? '';
    if (['EISDIR', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST'].includes(code))
      return keyConflict(this, place, error);
    if (['EIO', 'ENXIO', 'ENODEV', 'ESTALE', 'ENOTCONN', 'ETIMEDOUT'].includes(code)) {
      return unreachable('LAKE_UNREACHABLE', `The disk of ${this.description} fails: ${code}.`, {
        hint: 'Check the disk or the mount (dmesg, mount), then run it again.',
        cause: error,
      });
    }
    return describeFileError(error, resolve(this.#root, place));
  }
}

const microseconds = (): number => Math.floor((performance.timeOrigin + performance.now()) * 1000);

const mtimeMicroseconds = (stats: BigIntStats | undefined): number =>
  stats === undefined ? 0 : Number(stats.mtimeNs / 1000n);
