import { setTimeout as delay } from 'node:timers/promises';
import { ExitCode, failed, isOperatorError, throwIfAborted } from '../../system/errors.js';

const defaultTimeoutSeconds = 300;

/** How long work that was told to stop may take to do so, in seconds. */
const graceSeconds = 5;

/** The longest time a timer of Node can count, in milliseconds. */
const longest = 2 ** 31 - 1;

/**
 * Runs the work of a step within its time limit, in seconds. At the limit the work is told through
 * its signal, and waited for a little, so that it is really over when this rejects.
 *
 * @throws STEP_TIMED_OUT (exit 1)
 */
export async function withinLimit<T>(
  step: { id: string; timeout?: number },
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = step.timeout ?? defaultTimeoutSeconds;
  const expired = new AbortController();
  let over: (() => void) | undefined;
  const late = new Promise<void>((resolve) => {
    over = resolve;
  });
  const timers = [
    setTimeout(() => expired.abort(timedOut(step.id, limit)), Math.min(limit * 1000, longest)),
    setTimeout(() => over?.(), Math.min((limit + graceSeconds) * 1000, longest)),
  ];
  try {
    const done = work(AbortSignal.any([signal, expired.signal]));
    const result = await Promise.race([
      done,
      late.then((): never => {
        throw expired.signal.reason;
      }),
    ]);
    // Work that ends after its limit, whatever it says, has not done what was asked.
    if (expired.signal.aborted) throw expired.signal.reason;
    return result;
  } catch (cause) {
    throw expired.signal.aborted && !signal.aborted ? expired.signal.reason : cause;
  } finally {
    timers.forEach(clearTimeout);
  }
}

const timedOut = (id: string, limit: number) =>
  failed('STEP_TIMED_OUT', `Step ${id} did not end within ${limit} s.`, {
    hint: 'Find out what it waits for; its manual command shows that. Then resume the run.',
  });

/** Whether an error may pass by itself: what failed or could not be reached, not what is wrong. */
export const mayPass = (error: unknown): boolean =>
  isOperatorError(error) &&
  (error.exitCode === ExitCode.failed || error.exitCode === ExitCode.unreachable);

/** Seconds before the next attempt: 1, 2, 4 … up to 30. */
export const pauseAfter = (attempt: number): number => Math.min(2 ** (attempt - 1), 30);

/** Waits, unless the run is stopped. */
export async function pause(seconds: number, signal: AbortSignal): Promise<void> {
  await delay(seconds * 1000, undefined, { signal }).catch(() => throwIfAborted(signal));
}
