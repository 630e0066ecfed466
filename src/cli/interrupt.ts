import { ExitCode, interrupted } from '../system/errors.js';
import { endProcess } from './end-process.js';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** How long a command may usually clean up after the first signal, in milliseconds. */
const usualGrace = 1800;

export interface InterruptOptions {
  /** Told once, at the first signal. */
  announce(): void;
  /** Called right before the process ends without waiting any longer. Synchronous. */
  leave(why: 'impatient' | 'overdue'): void;
}

export interface Interrupt {
  signal: AbortSignal;
  /** Gives the cleanup this many seconds. */
  allowCleanUp(seconds: number): void;
  /** Stops listening; the command has ended. */
  dispose(): void;
}

let before: (() => void) | undefined;

/** `listener` has every signal until the first watch begins. */
export function takeOverFrom(listener: () => void): void {
  before = listener;
}

/**
 * The first Ctrl-C (or TERM, or a closed terminal) aborts the signal, and the command ends at its
 * next safe point. The second one, or a cleanup that takes too long, ends the process at once:
 * every write is atomic, so that is safe too.
 */
export function watchInterrupts(options: InterruptOptions): Interrupt {
  const controller = new AbortController();
  let overdue: NodeJS.Timeout | undefined;
  let grace = usualGrace;
  const leave = (why: 'impatient' | 'overdue') => {
    options.leave(why);
    endProcess(ExitCode.interrupted);
  };
  const onSignal = () => {
    if (controller.signal.aborted) {
      leave('impatient');
      return;
    }
    overdue = setTimeout(() => leave('overdue'), grace);
    overdue.unref();
    options.announce();
    controller.abort(
      interrupted('Interrupted.', { hint: 'What was finished is kept; run it again to go on.' }),
    );
  };
  for (const name of signals) {
    process.on(name, onSignal);
    if (before !== undefined) process.off(name, before);
  }
  return {
    signal: controller.signal,
    allowCleanUp: (seconds) => {
      grace = seconds * 1000;
    },
    dispose: () => {
      clearTimeout(overdue);
      for (const name of signals) process.off(name, onSignal);
    },
  };
}
