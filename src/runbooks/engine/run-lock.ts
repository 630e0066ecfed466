import { rm } from 'node:fs/promises';
import { acquireLease, type Lease, listLeases } from '../../lake/lease.js';
import type { LeaseRecord } from '../../lake/lease-record.js';
import { openLocalLake } from '../../lake/local.js';
import { isOperatorError, refused } from '../../system/errors.js';
import { ownerState, thisProcess } from '../../system/owner.js';
import { Journal, journalPath, runsDirectory } from './journal.js';
import { markUnsynchronised } from './unsynchronised.js';

interface Watch {
  now: () => Date;
  signal: AbortSignal;
  /** Told before a holder elsewhere is watched, with the seconds that takes. */
  onWatch?: (holder: LeaseRecord, seconds: number) => void;
}

/** Where the locks of runs live: beside their journals, so that they work while the lake is down. */
const store = (home: string) => openLocalLake(runsDirectory(home));

/**
 * Makes this process the only one that works on the run. A lock whose process is gone is taken
 * over.
 *
 * @throws RUN_ACTIVE (exit 3) with the name of who works on it
 */
export async function lockRun(home: string, runId: string, watch: Watch): Promise<Lease> {
  try {
    return await acquireLease(store(home), runId, { ...watch, owner: thisProcess() });
  } catch (error) {
    if (!isOperatorError(error) || error.code !== 'LEASE_HELD') throw error;
    throw refused('RUN_ACTIVE', `Run ${error.message}`, {
      hint: 'Wait for it, or stop it there with Ctrl-C first.',
      cause: error,
    });
  }
}

/** Ids of the runs that somebody works on now. */
export async function activeRuns(home: string, now: Date): Promise<ReadonlySet<string>> {
  const leases = await listLeases(store(home), now);
  return new Set(leases.filter(({ live }) => live).map(({ name }) => name));
}

/**
 * Writes the end of runs whose process is gone without a word: `interrupted`. Every start looks for
 * them, so that none stays "running". Gives their ids.
 */
export async function endInterrupted(home: string, watch: Watch): Promise<string[]> {
  const ended: string[] = [];
  for (const { name: runId, owner } of await listLeases(store(home), watch.now())) {
    if (ownerState(owner) !== 'gone') continue;
    let lock: Lease;
    try {
      lock = await lockRun(home, runId, watch);
    } catch (error) {
      // Another command is just doing the same, or resumes the run.
      if (isOperatorError(error) && error.code === 'RUN_ACTIVE') continue;
      throw error;
    }
    try {
      if (await endRun(home, runId, watch.now)) ended.push(runId);
    } finally {
      await lock.release();
    }
  }
  return ended;
}

async function endRun(home: string, runId: string, now: () => Date): Promise<boolean> {
  let opened: Awaited<ReturnType<typeof Journal.resume>>;
  try {
    opened = await Journal.resume(home, runId, now);
  } catch (error) {
    // Killed before its journal began, or damaged: `history` shows the latter.
    if (isOperatorError(error) && ['RUN_NOT_FOUND', 'JOURNAL_BROKEN'].includes(error.code)) {
      return false;
    }
    throw error;
  }
  const { journal, entries } = opened;
  try {
    const last = entries.at(-1)?.event;
    if (last === undefined) await rm(journalPath(home, runId));
    if (last === undefined || last.type === 'run.finished') return false;
    await markUnsynchronised(home, runId);
    await journal.append({
      type: 'run.finished',
      state: 'interrupted',
      reason: 'Its process ended without a word.',
    });
    return true;
  } finally {
    await journal.close();
  }
}
