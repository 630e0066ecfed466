import { setTimeout as delay } from 'node:timers/promises';
import { probePlace } from '../../diagnosis/lake-probe.js';
import { type Lake, type Layer, layers } from '../../lake/lake.js';
import { errorMessage, isOperatorError, throwIfAborted } from '../../system/errors.js';

/** What a key may do with a layer. */
export type LayerRights = Partial<Record<Layer, 'read' | 'write'>>;

/** Uses the lake as the key's holder does: lists each layer it may read, writes where it may write. */
export async function useLake(lake: Lake, rights: LayerRights): Promise<void> {
  for (const layer of layers) {
    const right = rights[layer];
    if (right === undefined) continue;
    for await (const _object of lake.list(`${layer}/`)) break;
    if (right === 'write') await probePlace(lake, layer);
  }
}

export interface InARow {
  times: number;
  /** Until it has failed. */
  seconds: number;
  signal: AbortSignal;
  /** Told of each failure; the count begins again. */
  onFailure(message: string): void;
}

/**
 * Does the work until it has succeeded so many times in a row: a new key is known here and there
 * before it is known everywhere, and one success proves nothing. Gives how often it failed before.
 * When the time is over, throws what the last attempt threw.
 */
export async function succeedInARow(
  work: () => Promise<void>,
  { times, seconds, signal, onFailure }: InARow,
): Promise<number> {
  const until = performance.now() + seconds * 1000;
  let failures = 0;
  for (let row = 0; row < times; ) {
    throwIfAborted(signal);
    try {
      await work();
      row += 1;
    } catch (error) {
      if (!isOperatorError(error) || error.code === 'INTERRUPTED') throw error;
      if (performance.now() > until) throw error;
      failures += 1;
      row = 0;
      onFailure(errorMessage(error));
      const pause = Math.min(100 * 2 ** Math.min(failures, 6), 5000);
      await delay(pause, undefined, { signal }).catch(() => throwIfAborted(signal));
    }
  }
  return failures;
}
