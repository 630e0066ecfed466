import type { Lake } from '../../lake/lake.js';
import { acquireLease, type Lease } from '../../lake/lease.js';
import { type Owner, thisProcess } from '../../system/owner.js';

export interface HeldTargets {
  /** Fires when one of the leases may have been taken by somebody else. */
  lost: AbortSignal;
  release(): Promise<void>;
}

export interface Targets {
  /**
   * Holds all of the targets, or none: one run at a time works on each, across runbooks, the
   * pipeline and operators.
   *
   * @throws LEASE_HELD (exit 3) with the owner's name and age
   */
  hold(
    names: readonly string[],
    onTakeover: (target: string, previous: Owner) => Promise<unknown>,
  ): Promise<HeldTargets>;
}

/** Targets as leases in an object store: the lake, or a local directory while that is away. */
export const leasedTargets = (
  store: () => Promise<Lake>,
  options: { now: () => Date; signal: AbortSignal },
): Targets => ({
  hold: async (names, onTakeover) => {
    const leases: Lease[] = [];
    const release = async () => {
      for (const lease of leases.toReversed()) await lease.release();
    };
    try {
      // In one order for everybody, so that two runs cannot wait for each other.
      for (const name of [...new Set(names)].sort()) {
        const takenOver: Owner[] = [];
        const lease = await acquireLease(await store(), name, {
          ...options,
          owner: thisProcess(),
          onTakeover: (previous) => takenOver.push(previous),
        });
        leases.push(lease);
        for (const previous of takenOver) await onTakeover(name, previous);
      }
    } catch (error) {
      await release();
      throw error;
    }
    return { lost: AbortSignal.any(leases.map(({ lost }) => lost)), release };
  },
});
