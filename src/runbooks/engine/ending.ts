import {
  ExitCode,
  errorMessage,
  interrupted,
  isOperatorError,
  OperatorError,
  partial,
  refused,
} from '../../system/errors.js';
import type { RunState } from './events.js';

/** The end of a run before its last step, with what it means. */
export class Ending extends Error {
  override readonly name = 'Ending';
  constructor(
    readonly state: RunState,
    /** What the operator is told. */
    readonly error: OperatorError,
    /** Not an expected failure: thrown on, with its stack, once the run has ended. */
    readonly bug?: unknown,
    /** When a run that waits for a time may go on; ISO 8601. */
    readonly due: string | null = null,
  ) {
    super(error.message);
  }
}

/** `acted`: something was changed before, which exit code 3 would deny. */
export const waiting = (reason: string, hint: string, acted: boolean): Ending =>
  new Ending('waiting', (acted ? partial : refused)('RUN_WAITING', reason, { hint }));

/** A person, or nobody's answer, ends the run; after an act it has failed and can be resumed. */
export const stoppedBy = (
  state: 'aborted' | 'refused',
  error: OperatorError,
  acted: boolean,
): Ending => (acted ? new Ending('failed', partly(error)) : new Ending(state, error));

export const waitingUntil = (due: Date, reason: string, hint: string): Ending =>
  new Ending('waiting', partial('RUN_WAITING', reason, { hint }), undefined, due.toISOString());

/** What fails because the run was stopped is a stop, whatever the library calls it. */
export function asStop(error: unknown, { reason }: AbortSignal): unknown {
  if (error instanceof Ending || isOperatorError(error)) return error;
  return isOperatorError(reason) ? reason : interrupted('Interrupted.', { cause: error });
}

/** What an error means for the run. `acted`: something may have been changed already. */
export function asEnding(error: unknown, acted: boolean): Ending {
  if (error instanceof Ending) return error;
  if (!isOperatorError(error)) {
    return new Ending(
      'failed',
      new OperatorError('BUG', ExitCode.failed, errorMessage(error)),
      error,
    );
  }
  switch (error.exitCode) {
    case ExitCode.interrupted:
      return new Ending('interrupted', error);
    case ExitCode.refused:
      return acted ? new Ending('failed', partly(error)) : new Ending('refused', error);
    case ExitCode.failed:
      return new Ending('failed', acted ? partly(error) : error);
    default:
      return new Ending('failed', error);
  }
}

/** The same failure after something was changed: exit 4, can be resumed. */
const partly = ({ code, message, hint, cause }: OperatorError): OperatorError =>
  new OperatorError(code, ExitCode.partial, message, {
    ...(hint === undefined ? {} : { hint }),
    cause,
  });
