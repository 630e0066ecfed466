import { setTimeout as delay } from 'node:timers/promises';
import { formatSeconds } from '../system/duration.js';
import {
  failed,
  interrupted,
  isOperatorError,
  type OperatorError,
  refused,
  throwIfAborted,
} from '../system/errors.js';
import { describeOwner, type Owner, ownerState } from '../system/owner.js';
import type { Key, Lake } from './lake.js';
import { leaseKey, leasesPrefix } from './layout.js';
import { type LeaseRecord, readLease, serialiseLease } from './lease-record.js';

/** Seconds. */
export interface LeaseTiming {
  /** Between two signs of life. */
  heartbeat: number;
  /** Without a sign of life for this long, a holder elsewhere is suspected to be dead. */
  stale: number;
  /** How long a suspect is watched before its lease is taken over. */
  watch: number;
}

const usualTiming: LeaseTiming = { heartbeat: 10, stale: 60, watch: 25 };

export interface LeaseOptions {
  owner: Owner;
  now: () => Date;
  /** Ends the watch of a suspected lease; does not end the lease. */
  signal: AbortSignal;
  /** Called when the lease of a dead owner was taken over. */
  onTakeover?: (previous: Owner) => void;
  /** Called before a suspected owner is watched, with the seconds that takes. */
  onWatch?: (suspect: LeaseRecord, seconds: number) => void;
  timing?: LeaseTiming;
}

export interface Lease {
  readonly name: string;
  readonly owner: Owner;
  /** Fires when somebody else has the lease, or may have it by now. */
  readonly lost: AbortSignal;
  /**
   * Gives the lease back; does nothing when it was lost. A store that fails is no error: what the
   * work came to matters more, and the lease of a dead process is taken over.
   */
  release(): Promise<void>;
}

/**
 * Takes the lease `name`, or refuses with `LEASE_HELD` (exit 3) and the holder's name and age.
 *
 * A holder on this machine is judged by its process: gone means taken over at once. One elsewhere
 * (another machine, container or boot) gives signs of life, every ten seconds. Their times come
 * from a clock that may differ from ours, so a time that lies a minute or more off, in either
 * direction, is only a suspicion: the lease is then watched for longer than two of the intervals,
 * by our own steady clock, and taken over only if nothing changed. A wrong clock can thus delay
 * a takeover but never cause one.
 */
export async function acquireLease(
  lake: Lake,
  name: string,
  options: LeaseOptions,
): Promise<Lease> {
  const key = leaseKey(name);
  const acquiredAt = options.now();
  for (;;) {
    throwIfAborted(options.signal);
    const body = serialiseLease({
      name,
      owner: options.owner,
      acquiredAt,
      renewedAt: options.now(),
    });
    const found = await readLease(lake, key);
    if (found === undefined) {
      const etag = await putUnlessRefused(() => lake.put(key, body, { ifAbsent: true }));
      if (etag !== undefined) return new HeldLease(lake, name, etag, acquiredAt, options);
      continue;
    }
    const { record } = found;
    if (record === undefined) throw unreadable(lake, key);
    await requireDead(lake, key, { record, etag: found.etag }, options);
    const etag = await putUnlessRefused(() => lake.put(key, body, { ifMatch: found.etag }));
    if (etag === undefined) continue;
    options.onTakeover?.(record.owner);
    return new HeldLease(lake, name, etag, acquiredAt, options);
  }
}

/**
 * All leases, with whether their owners seem to live; one elsewhere is judged by its last sign of
 * life. For showing only. Damaged ones are left out: acquireLease names them.
 */
export async function listLeases(
  lake: Lake,
  now: Date,
): Promise<(LeaseRecord & { live: boolean })[]> {
  const leases = [];
  for await (const { key } of lake.list(leasesPrefix)) {
    const record = (await readLease(lake, key))?.record;
    if (record === undefined) continue;
    const state = ownerState(record.owner);
    const live =
      state === 'elsewhere' ? silence(record, now) < usualTiming.stale : state === 'alive';
    leases.push({ ...record, live });
  }
  return leases;
}

/** Seconds between the last sign of life and now, whichever clock is ahead. */
const silence = (record: LeaseRecord, now: Date): number =>
  Math.abs(now.getTime() - record.renewedAt.getTime()) / 1000;

/** `LEASE_HELD` while the holder lives; returns when the lease may be taken over. */
async function requireDead(
  lake: Lake,
  key: Key,
  { record, etag }: { record: LeaseRecord; etag: string },
  options: LeaseOptions,
): Promise<void> {
  const state = ownerState(record.owner);
  if (state === 'gone') return;
  const { stale, watch } = options.timing ?? usualTiming;
  if (state === 'alive' || silence(record, options.now()) < stale)
    throw held(record, state, options.now());
  options.onWatch?.(record, watch);
  const end = performance.now() + watch * 1000;
  while (performance.now() < end) {
    await pause(Math.min(1, watch / 10), options.signal);
    if ((await lake.head(key))?.etag !== etag) throw held(record, state, options.now());
  }
}

async function pause(seconds: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(seconds * 1000, undefined, { signal });
  } catch {
    throwIfAborted(signal);
    throw interrupted();
  }
}

function held(record: LeaseRecord, state: 'alive' | 'elsewhere', now: Date): OperatorError {
  const age = Math.max(0, now.getTime() - record.acquiredAt.getTime()) / 1000;
  const where =
    state === 'alive'
      ? 'Wait for it to end, or stop it there.'
      : 'Wait for it to end, or stop it there; when it has crashed, its lease can be taken over a minute after its last sign of life.';
  return refused(
    'LEASE_HELD',
    `${record.name} is held by ${describeOwner(record.owner)} for ${formatSeconds(age)}.`,
    { hint: where },
  );
}

class HeldLease implements Lease {
  readonly name: string;
  readonly owner: Owner;
  readonly lost: AbortSignal;
  readonly #lake: Lake;
  readonly #options: LeaseOptions;
  readonly #timing: LeaseTiming;
  readonly #acquiredAt: Date;
  readonly #losing = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #etag: string;
  #provenAt = performance.now();
  #renewal: Promise<void> | undefined;

  constructor(lake: Lake, name: string, etag: string, acquiredAt: Date, options: LeaseOptions) {
    this.name = name;
    this.owner = options.owner;
    this.lost = this.#losing.signal;
    this.#lake = lake;
    this.#options = options;
    this.#timing = options.timing ?? usualTiming;
    this.#acquiredAt = acquiredAt;
    this.#etag = etag;
    this.#timer = setInterval(() => this.#beat(), this.#timing.heartbeat * 1000);
    // The work keeps the process alive, not its lease.
    this.#timer.unref();
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewal;
    if (this.lost.aborted) return;
    try {
      await this.#lake.removeIfMatch(leaseKey(this.name), this.#etag);
    } catch (error) {
      if (!isOperatorError(error)) throw error;
    }
  }

  #beat(): void {
    if (this.#renewal !== undefined) {
      // A renewal that hangs proves nothing: the time runs on beside it.
      this.#loseIfStale();
      return;
    }
    // After a long sleep (a laptop shut, a container stopped) this very renewal tells whose it is.
    this.#renewal = this.#renew().finally(() => {
      this.#renewal = undefined;
    });
  }

  #loseIfStale(): void {
    if (performance.now() - this.#provenAt > this.#timing.stale * 1000) {
      this.#lose('it could not be renewed in time');
    }
  }

  async #renew(): Promise<void> {
    const startedAt = performance.now();
    const { owner, now } = this.#options;
    const record = { name: this.name, owner, acquiredAt: this.#acquiredAt, renewedAt: now() };
    try {
      const condition = { ifMatch: this.#etag };
      this.#etag = (
        await this.#lake.put(leaseKey(this.name), serialiseLease(record), condition)
      ).etag;
      this.#provenAt = startedAt;
    } catch (error) {
      if (isRefusal(error)) await this.#judgeRefusal();
      // Any other failure may pass: others suspect us only after `stale` seconds.
      else this.#loseIfStale();
    }
  }

  /** A renewal whose answer was lost may have been the one that changed the lease. */
  async #judgeRefusal(): Promise<void> {
    const startedAt = performance.now();
    try {
      const present = await readLease(this.#lake, leaseKey(this.name));
      if (present === undefined || !this.#isOurs(present.record)) {
        this.#lose('somebody else has taken it over');
        return;
      }
      this.#etag = present.etag;
      this.#provenAt = startedAt;
    } catch {
      // The next renewal asks again, and is refused again if the lease is lost.
      this.#loseIfStale();
    }
  }

  #isOurs(record: LeaseRecord | undefined): boolean {
    if (record === undefined) return false;
    const { pid, startedAt, machine } = record.owner;
    const { owner } = this.#options;
    return (
      pid === owner.pid &&
      startedAt === owner.startedAt &&
      machine === owner.machine &&
      record.acquiredAt.getTime() === this.#acquiredAt.getTime()
    );
  }

  #lose(why: string): void {
    clearInterval(this.#timer);
    this.#losing.abort(
      failed('LEASE_LOST', `The lease on ${this.name} was lost: ${why}.`, {
        hint: 'Nothing was published after that. See who has it now, then run it again.',
      }),
    );
  }
}

const isRefusal = (error: unknown): boolean =>
  isOperatorError(error) && (error.code === 'OBJECT_EXISTS' || error.code === 'OBJECT_CHANGED');

/** The new etag; undefined when the condition did not hold. */
async function putUnlessRefused(put: () => Promise<{ etag: string }>): Promise<string | undefined> {
  try {
    return (await put()).etag;
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

const unreadable = (lake: Lake, key: Key): OperatorError =>
  refused('LEASE_UNREADABLE', `The lease ${key} in ${lake.description} is damaged.`, {
    hint: 'Make sure that nobody works on it, delete that file, then run it again.',
  });
