import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode, failed, type OperatorError } from './errors.js';

/** Makes a directory entry durable: a rename survives a power cut only after this. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Like `mkdir -p`, and durable: each directory made is synced in its parent. */
export async function makeDirectory(directory: string, mode = 0o777): Promise<void> {
  const first = await makeMissing(directory, mode);
  if (first === undefined) return;
  for (let made = directory; ; made = dirname(made)) {
    await syncDirectory(dirname(made));
    if (made === first || made === dirname(made)) return;
  }
}

/**
 * Makes missing directories one by one, and gives the first; undefined when all were there. Node's own
 * way never ends where the system says of a directory with a parent that the parent is missing (/proc),
 * and says so itself of a read-only file system.
 */
async function makeMissing(directory: string, mode: number): Promise<string | undefined> {
  const made = await makeOne(directory, mode);
  if (made !== 'no parent') return made === 'made' ? directory : undefined;
  const first = await makeMissing(dirname(directory), mode);
  // Missing once more, it is no parent's fault: the system's own word says what is.
  if ((await makeOne(directory, mode)) === 'no parent') await mkdir(directory, { mode });
  return first ?? directory;
}

async function makeOne(directory: string, mode: number): Promise<'made' | 'present' | 'no parent'> {
  try {
    await mkdir(directory, { mode });
    return 'made';
  } catch (error) {
    if (errorCode(error) === 'ENOENT' && dirname(directory) !== directory) return 'no parent';
    if (await isDirectory(directory)) return 'present';
    throw error;
  }
}

/** Follows links; false where nothing is, or it cannot be looked at. */
const isDirectory = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

export interface WriteOptions {
  /** File mode; 0o600 for anything secret. */
  mode?: number;
  /** Where it is written first, on the same file system; beside the path unless given. */
  temporary?: string;
}

/**
 * Replaces a file in one step: after a crash at any point the path holds the old bytes or the
 * new ones, complete and synced.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array | AsyncIterable<string>,
  options: WriteOptions = {},
): Promise<void> {
  await makeDirectory(dirname(path));
  const {
    mode = 0o666,
    temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`),
  } = options;
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, 'wx', mode);
    await writeFile(handle, data);
    await handle.sync();
    await handle.close();
    handle = undefined;
    await rename(temporary, path);
  } catch (error) {
    await handle?.close();
    await rm(temporary, { force: true });
    throw describeFileError(error, path);
  }
  await syncDirectory(dirname(path));
}

/** Syncs a finished file to disk, by path. */
export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const fileErrors: Record<string, { code: string; what: string; hint: string }> = {
  ENOSPC: {
    code: 'DISK_FULL',
    what: 'No space is left on the disk that holds',
    hint: 'Free space there (df -h), or choose another place with --home or lake.path, then run it again.',
  },
  EDQUOT: {
    code: 'DISK_FULL',
    what: 'The disk quota is used up for',
    hint: 'Free space or raise the quota, then run it again.',
  },
  EACCES: {
    code: 'PERMISSION_DENIED',
    what: 'Permission denied for',
    hint: 'Run it as the owner of that path, or choose another place with --home or lake.path.',
  },
  EPERM: {
    code: 'PERMISSION_DENIED',
    what: 'Operation not permitted on',
    hint: 'Run it as the owner of that path, or choose another place with --home or lake.path.',
  },
  ENOTDIR: {
    code: 'NOT_A_DIRECTORY',
    what: 'A file stands where a directory is needed, at or above',
    hint: 'Choose another place with --home or lake.path, or move the file away.',
  },
  EROFS: {
    code: 'READ_ONLY_DISK',
    what: 'The file system is read-only at',
    hint: 'Choose a writable place with --home or lake.path.',
  },
};

/**
 * Turns a file system error the operator can cure (disk full, permission, read-only) into an
 * OperatorError that names the path; any other error is returned as it is.
 */
export function describeFileError(error: unknown, path: string): OperatorError | unknown {
  const known = fileErrors[errorCode(error) ?? ''];
  return known === undefined
    ? error
    : failed(known.code, `${known.what} ${path}.`, { hint: known.hint, cause: error });
}
