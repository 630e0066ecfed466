import { access, lstat, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { errorCode } from '../../system/errors.js';
import { writeFileAtomic } from '../../system/files.js';
import type { JobContext } from '../../system/progress.js';
import { findPostmaster, isServerOf, signalProcess, until } from './process.js';

/** Where root keeps what the state directory cannot hold, because the server could not reach it. */
export const sharedDirectory = '/var/lib/reviewops';

/** What directories of ours begin with where that one cannot be used. */
export const temporaryPrefix = 'reviewops-';

const homeFile = 'state-directory';

/** Notes in a directory outside which state directory it serves. */
export const rememberHome = (outside: string, home: string): Promise<void> =>
  writeFileAtomic(join(outside, homeFile), `${home}\n`, { mode: 0o600 });

/**
 * The directories outside that serve a state directory. Only root makes any, and may look; what
 * others can write may say anything.
 */
export async function directoriesFor(home: string): Promise<string[]> {
  if (process.getuid?.() !== 0) return [];
  const temporary = await realpath(tmpdir());
  const candidates = [
    ...(await list(sharedDirectory)).map((name) => join(sharedDirectory, name)),
    ...(await list(temporary))
      .filter((name) => name.startsWith(temporaryPrefix))
      .map((name) => join(temporary, name)),
  ];
  const served = await Promise.all(
    candidates.map(
      async (path) =>
        (await isOurs(path)) && (await readOrEmpty(join(path, homeFile))).trim() === home,
    ),
  );
  return candidates.filter((_, index) => served[index] === true);
}

/**
 * Servers whose state directory was deleted, which would have taken them along had they been in it:
 * they are stopped. Their data goes too where the state directory was a temporary one; otherwise it
 * may have been on a volume that is only not mounted, so it stays and is named.
 */
export async function sweepOrphans({ signal, report }: JobContext): Promise<void> {
  for (const name of await list(sharedDirectory)) {
    const outside = join(sharedDirectory, name);
    const home = (await readOrEmpty(join(outside, homeFile))).trim();
    if (home === '' || !(await isGone(home))) continue;
    const data = join(outside, 'instance', 'data');
    const server = await findPostmaster(data);
    if (server !== undefined) {
      signalProcess(server.pid, 'SIGINT');
      await until(async () => !(await isServerOf(server.pid, data)), 10, signal);
    }
    if (
      home.startsWith(`${tmpdir()}${sep}`) ||
      home.startsWith(`${await realpath(tmpdir())}${sep}`)
    ) {
      await rm(outside, { recursive: true, force: true });
    } else {
      report({
        type: 'notice',
        message: `The data of a deleted state directory (${home}) is still in ${outside}.`,
      });
    }
  }
}

async function isOurs(path: string): Promise<boolean> {
  try {
    const { uid, mode } = await lstat(path);
    return uid === 0 && (mode & 0o022) === 0;
  } catch (error) {
    // Another process removed it meanwhile.
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function list(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function readOrEmpty(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return '';
    throw error;
  }
}

async function isGone(path: string): Promise<boolean> {
  try {
    await access(path);
    return false;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return true;
    throw error;
  }
}
