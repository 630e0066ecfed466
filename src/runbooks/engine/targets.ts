import { join } from 'node:path';
import type { Lake } from '../../lake/lake.js';
import { acquireLease, type Lease } from '../../lake/lease.js';
import { openLocalLake } from '../../lake/local.js';
import { errorMessage, isOperatorError } from '../../system/errors.js';
import { type Owner, thisProcess } from '../../system/owner.js';
import type { RunbookServices } from './definition.js';

export interface HeldTargets {
  /** Fires when one of the leases may have been taken by somebody else. */
  lost: AbortSignal;
  release(): Promise<void>;
}

export interface HoldOptions {
  signal: AbortSignal;
  onTakeover(target: string, previous: Owner): Promise<unknown>;
  warn(text: string): Promise<unknown>;
}

/**
 * Holds all of the targets, or none: one run at a time works on each, across runbooks and
 * operators. The leases lie in the lake; while that cannot be reached, in the state directory,
 * which keeps off the runs of this machine only.
 *
 * @throws LEASE_HELD (exit 3) with the owner's name and age
 */
export async function holdTargets(
  services: RunbookServices,
  names: readonly string[],
  options: HoldOptions,
): Promise<HeldTargets> {
  if (names.length === 0)
    return { lost: new AbortController().signal, release: async () => undefined };
  try {
    return await hold(await services.lake(), services, names, options);
  } catch (error) {
    if (!isOperatorError(error) || error.code.startsWith('LEASE_') || options.signal.aborted) {
      throw error;
    }
    await options.warn(
      `The lake cannot take leases (${error.message}) Only runs on this machine are kept apart now.`,
    );
    const local = openLocalLake(join(services.home, 'leases'));
    return hold(local, services, names, options);
  }
}

async function hold(
  store: Lake,
  { now }: RunbookServices,
  names: readonly string[],
  options: HoldOptions,
): Promise<HeldTargets> {
  const leases: Lease[] = [];
  const release = async () => {
    for (const lease of leases.splice(0).toReversed()) {
      try {
        await lease.release();
      } catch (error) {
        await options.warn(`The lease on ${lease.name} stays behind: ${errorMessage(error)}`);
      }
    }
  };
  try {
    // In one order for everybody, so that two runs cannot wait for each other.
    for (const name of [...new Set(names)].sort()) {
      const takenOver: Owner[] = [];
      const lease = await acquireLease(store, name, {
        now,
        signal: options.signal,
        owner: thisProcess(),
        onTakeover: (previous) => takenOver.push(previous),
      });
      leases.push(lease);
      for (const previous of takenOver) await options.onTakeover(name, previous);
    }
  } catch (error) {
    await release();
    throw error;
  }
  return { lost: AbortSignal.any(leases.map(({ lost }) => lost)), release };
}
