import { setTimeout as delay } from 'node:timers/promises';
import { throwIfAborted } from '../system/errors.js';

/** What one request of an object store takes. */
const groupSize = 1000;

export interface RemoverOptions {
  signal: AbortSignal;
  /** Objects in a second at most; 0 is no limit. */
  perSecond: number;
  /** Told after each group how many objects are gone in all. */
  onRemoved?: (objects: number) => void;
}

/**
 * Deletes in groups and at a limited rate. Between two groups, never inside one, it stops when
 * the signal fires; what a group deleted is gone for good, and the rest is untouched.
 */
export class Remover {
  readonly #options: RemoverOptions;
  readonly #startedAt = performance.now();
  #objects = 0;

  constructor(options: RemoverOptions) {
    this.#options = options;
  }

  /** Takes what is to go as it is listed; holds one group of it. `guard` stops it as well. */
  async remove<T>(
    items: AsyncIterable<T> | Iterable<T>,
    removeGroup: (group: readonly T[]) => Promise<void>,
    guard: AbortSignal = this.#options.signal,
  ): Promise<void> {
    const { perSecond } = this.#options;
    const size = perSecond === 0 ? groupSize : Math.min(groupSize, perSecond);
    let group: T[] = [];
    for await (const item of items) {
      group.push(item);
      if (group.length < size) continue;
      await this.#perform(group, removeGroup, guard);
      group = [];
    }
    if (group.length > 0) await this.#perform(group, removeGroup, guard);
  }

  async #perform<T>(
    group: readonly T[],
    removeGroup: (group: readonly T[]) => Promise<void>,
    guard: AbortSignal,
  ): Promise<void> {
    const { signal, perSecond, onRemoved } = this.#options;
    if (perSecond > 0) await this.#pause(this.#objects / perSecond, guard);
    throwIfAborted(signal);
    throwIfAborted(guard);
    await removeGroup(group);
    this.#objects += group.length;
    onRemoved?.(this.#objects);
  }

  /** Waits until so many seconds have passed since the start. */
  async #pause(seconds: number, guard: AbortSignal): Promise<void> {
    const rest = seconds * 1000 - (performance.now() - this.#startedAt);
    if (rest <= 0) return;
    const signal = AbortSignal.any([this.#options.signal, guard]);
    // The caller looks at the signals next.
    await delay(rest, undefined, { signal }).catch(() => undefined);
  }
}
