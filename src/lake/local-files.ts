import { lstatSync, readFileSync } from 'node:fs';
import { link, unlink } from 'node:fs/promises';
import { errorCode } from '../system/errors.js';
import { syncDirectory } from '../system/files.js';
import { statFile } from './walk.js';

/** File system calls for which the absence of something is an answer and not an error. */

/** What is read without the thread pool, whose detour takes longer; in bytes. */
const smallFile = 64 * 1024;

/** Undefined for a file that is large, or not there. */
export function readSmall(path: string): Buffer | undefined {
  const stats = statFile(path);
  if (stats === undefined || stats.size > smallFile) return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Stats of whatever is there, links not followed. */
export const lstatOrUndefined = (path: string) => {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
};

/** Links, which fails when the target exists; false where the file system knows no hard links. */
export async function linkFile(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    // The key's lock still keeps our own processes out where rename has to do.
    if (['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(errorCode(error) ?? ''))
      return false;
    throw error;
  }
}

/** Deletes a file; that it is gone already is no error. */
export async function unlinkIfPresent(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

/** A directory that another process removed meanwhile has nothing left to sync. */
export async function syncIfPresent(directory: string): Promise<void> {
  try {
    await syncDirectory(directory);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
