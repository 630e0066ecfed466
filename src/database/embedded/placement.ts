import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, realpath, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { errorCode, failed, invalid } from '../../system/errors.js';
import { makeDirectory } from '../../system/files.js';
import { type Account, canUse } from './account.js';
import { type Binaries, copyBinaries, makeLinks, probe } from './binaries.js';
import { rememberHome, sharedDirectory as shared, temporaryPrefix } from './orphans.js';
import { type ServerRecord, serverDirectory } from './record.js';

/**
 * Chooses where a new instance lives: in the state directory where the account can reach it, else
 * in a directory of ours outside. Only says where; the instance itself is made later. Throws
 * `HOME_UNSUITABLE` (2) for a path that PostgreSQL's own tools cannot take.
 */
export async function placeInstance(
  home: string,
  account: Account | undefined,
  signal: AbortSignal,
): Promise<Pick<ServerRecord, 'instance' | 'outside'>> {
  const inside = await realpath(serverDirectory(home));
  assertPlain(inside);
  if (account === undefined || (await canUse(account, inside, 'enter', signal))) {
    return { instance: join(inside, 'instance') };
  }
  const outside = await outsideDirectory(account, signal);
  await rememberHome(outside, home);
  return { outside, instance: join(outside, 'instance') };
}

/** pg_ctl hands the path to a shell between double quotes, as it is. */
function assertPlain(path: string): void {
  const bad = /["$`\\\n\r]/.exec(path)?.[0];
  if (bad === undefined) return;
  throw invalid(
    'HOME_UNSUITABLE',
    `PostgreSQL cannot be started in ${JSON.stringify(path)}: the path holds ${JSON.stringify(bad)}.`,
    { hint: 'Choose a state directory with another name: --home DIR, or REVIEWOPS_HOME.' },
  );
}

/** A new directory that root owns and the account can pass through. */
async function outsideDirectory(account: Account, signal: AbortSignal): Promise<string> {
  if (await makeShared()) {
    const directory = join(shared, randomBytes(6).toString('hex'));
    await mkdir(directory);
    await chmod(directory, 0o755);
    if (await canUse(account, directory, 'enter', signal)) return directory;
  }
  // A name nobody can guess, so nobody can have made it before us.
  const directory = await mkdtemp(join(await realpath(tmpdir()), temporaryPrefix));
  await chmod(directory, 0o755);
  if (await canUse(account, directory, 'enter', signal)) return directory;
  throw failed(
    'NO_PLACE_FOR_SERVER',
    `The user ${account.name}, as which the server runs, can reach neither the state directory, ${shared}, nor ${tmpdir()}.`,
    { hint: 'Choose a state directory with --home that this user can enter.' },
  );
}

/** Whether the shared directory is there, and root's alone. */
async function makeShared(): Promise<boolean> {
  try {
    await makeDirectory(shared, 0o755);
    const { uid, mode } = await stat(shared);
    if (uid !== 0 || (mode & 0o022) !== 0) return false;
    // Made under a umask that closes it.
    if ((mode & 0o055) !== 0o055) await chmod(shared, 0o755);
    return true;
  } catch (error) {
    if (['EROFS', 'EACCES', 'EPERM', 'ENOTDIR', 'EEXIST'].includes(errorCode(error) ?? '')) {
      return false;
    }
    throw error;
  }
}

/**
 * The directory of programs that the account can run: the installed ones where it reaches them,
 * else a copy beside the instance (shared by all state directories under /var/lib/reviewops).
 */
export async function placeBinaries(
  installed: Binaries,
  record: ServerRecord,
  home: string,
  signal: AbortSignal,
): Promise<{ root: string; version: string }> {
  const account = record.account ?? undefined;
  const linked = await linksMade(installed.root);
  const direct = linked ? await probe(installed.root, account, signal) : { problem: 'links' };
  if ('version' in direct) return { root: installed.root, version: direct.version };
  const parents = [
    ...(record.outside === undefined
      ? [await realpath(serverDirectory(home))]
      : [dirname(record.outside) === shared ? shared : record.outside]),
    ...(account !== undefined && (await makeShared()) ? [shared] : []),
  ];
  let problem = direct.problem;
  for (const parent of parents) {
    const root = await copyBinaries(installed, parent);
    const copied = await probe(root, account, signal);
    if ('version' in copied) return { root, version: copied.version };
    problem = copied.problem;
  }
  throw failed(
    'EMBEDDED_UNAVAILABLE',
    `The embedded PostgreSQL cannot run here${account === undefined ? '' : ` as ${account.name}`}: ${problem}.`,
    { hint: 'Set NEON_DB_URL to a PostgreSQL of yours, or see what that message says.' },
  );
}

async function linksMade(root: string): Promise<boolean> {
  try {
    await makeLinks(root);
    return true;
  } catch (error) {
    // Not ours to write: the copy gets them.
    if (['EACCES', 'EPERM', 'EROFS'].includes(errorCode(error) ?? '')) return false;
    throw error;
  }
}
