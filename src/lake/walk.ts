import { type BigIntStats, type Dirent, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { errorCode, failed } from '../system/errors.js';
import { compareKeys } from './key.js';
import type { Key, LakeObject } from './lake.js';

/** What a file is as an object. The etag tells any two versions apart: see LocalLake.put. */
export const describeFile = (key: Key, stats: BigIntStats): LakeObject => ({
  key,
  bytes: Number(stats.size),
  modifiedAt: new Date(Number(stats.mtimeMs)),
  etag: `${stats.mtimeNs.toString(36)}-${stats.ino.toString(36)}-${stats.size.toString(36)}`,
});

export const symbolicLink = (path: string) =>
  failed('LAKE_SYMLINK', `${path} is a symbolic link; a lake does not follow them.`, {
    hint: 'Move the data into the lake, mount it there, or set lake.path to where it lies.',
  });

/** Stats of a regular file, undefined where there is none. Refuses symbolic links. */
export function statFile(path: string): BigIntStats | undefined {
  try {
    // Synchronous on purpose: a few microseconds against the fifty of a trip through the thread pool.
    const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (stats?.isSymbolicLink()) throw symbolicLink(path);
    return stats?.isFile() ? stats : undefined;
  } catch (error) {
    if (errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Names of a directory that are keys or parts of keys, directories with a slash, in key order. */
function namesIn(directory: string): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    const code = errorCode(error);
    // Another process may remove a directory once it is empty.
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
  const names: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    if (entry.isSymbolicLink()) throw symbolicLink(join(directory, entry.name));
    if (entry.isDirectory()) names.push(`${entry.name}/`);
    else if (entry.isFile()) names.push(entry.name);
  }
  return names.sort(compareKeys);
}

/** After how many names timers and signals get their turn; the file system calls are synchronous. */
const namesPerTurn = 1000;

/** Files below `root` whose key starts with `prefix`, in key order; holds one directory a level. */
export async function* walk(root: string, prefix: Key): AsyncGenerator<LakeObject> {
  const start = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  const open: { parent: Key; names: string[]; next: number }[] = [
    { parent: start, names: namesIn(join(root, start)), next: 0 },
  ];
  let seen = 0;
  for (let level = open.at(-1); level !== undefined; level = open.at(-1)) {
    seen += 1;
    if (seen % namesPerTurn === 0) await nextTurn();
    const name = level.names[level.next];
    level.next += 1;
    if (name === undefined) {
      open.pop();
      continue;
    }
    const key = level.parent + name;
    if (!key.startsWith(prefix)) continue;
    if (name.endsWith('/')) {
      open.push({ parent: key, names: namesIn(join(root, key)), next: 0 });
      continue;
    }
    const stats = statFile(join(root, key));
    if (stats !== undefined) yield describeFile(key, stats);
  }
}
