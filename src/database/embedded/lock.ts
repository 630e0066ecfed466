import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { errorCode, failed, throwIfAborted } from '../../system/errors.js';
import { describeFileError, writeFileAtomic } from '../../system/files.js';
import { describeOwner, type Owner, ownerState, thisProcess } from '../../system/owner.js';
import type { Report } from '../../system/progress.js';

interface Held {
  token: string;
  owner: Owner;
}

export interface LockOptions {
  signal: AbortSignal;
  report: Report;
  /** What the lock guards, for the message of whoever waits: `the embedded server`. */
  what: string;
}

const pollMilliseconds = 25;
/** How long to wait for an owner that cannot be judged from here (another machine or container). */
const elsewhereMilliseconds = 60_000;

/**
 * Runs work while this process alone holds the lock file. Waits for a living owner; takes the lock
 * of a dead one over. Throws `LOCK_HELD_ELSEWHERE` (1) when the owner cannot be judged from here.
 */
export async function withLock<T>(
  path: string,
  options: LockOptions,
  work: () => Promise<T>,
): Promise<T> {
  const mine: Held = { token: randomUUID(), owner: thisProcess() };
  const own = `${path}.${mine.token}`;
  try {
    await writeFileAtomic(own, JSON.stringify(mine), { mode: 0o600 });
    await acquire(path, own, mine, options);
  } catch (error) {
    throw describeFileError(error, path);
  } finally {
    await rm(own, { force: true });
  }
  try {
    return await work();
  } finally {
    if ((await read(path))?.token === mine.token) await rm(path, { force: true });
  }
}

async function acquire(
  path: string,
  own: string,
  mine: Held,
  { signal, report, what }: LockOptions,
): Promise<void> {
  const since = Date.now();
  let told = false;
  // A link carries its whole content from the first moment: nobody reads half a lock.
  while (!(await linked(own, path))) {
    throwIfAborted(signal);
    const held = await read(path);
    if (held === undefined) continue;
    const state = ownerState(held.owner);
    if (state === 'gone') {
      if (await takeOver(path, own, mine, held)) return;
    } else if (state === 'elsewhere' && Date.now() - since > elsewhereMilliseconds) {
      throw failed(
        'LOCK_HELD_ELSEWHERE',
        `${describeOwner(held.owner)} holds ${what}, on another machine or in another container.`,
        { hint: `If that process is gone, delete ${path} and run it again.` },
      );
    } else if (!told && Date.now() - since > 2000) {
      told = true;
      report({ type: 'notice', message: `Waiting for ${describeOwner(held.owner)}: ${what}.` });
    }
    await wait(pollMilliseconds);
  }
}

/**
 * Puts our lock in the place of a dead owner's. Of all who found it dead only one may: the one that
 * made the marker named after the dead lock's token, and then still found that lock in place.
 */
async function takeOver(path: string, own: string, mine: Held, dead: Held): Promise<boolean> {
  const marker = `${path}.${dead.token}.taken`;
  if (!(await linked(own, marker))) {
    const taker = await read(marker);
    if (taker === undefined || ownerState(taker.owner) !== 'gone') return false;
    // A taker that died on the way left its marker, which is taken over by the same rule.
    if (!(await takeOver(marker, own, mine, taker))) return false;
  }
  try {
    if ((await read(path))?.token !== dead.token) return false;
    const copy = `${own}.new`;
    await writeFileAtomic(copy, JSON.stringify(mine), { mode: 0o600 });
    await rename(copy, path);
    return true;
  } finally {
    await rm(marker, { force: true });
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function read(path: string): Promise<Held | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Held;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    if (error instanceof SyntaxError) {
      throw failed('LOCK_UNREADABLE', `The lock file ${path} is damaged.`, {
        hint: `Make sure that no reviewops is running, delete ${path} and run it again.`,
        cause: error,
      });
    }
    throw error;
  }
}
