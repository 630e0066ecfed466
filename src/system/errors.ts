/** Exit codes of every command but `health` (docs/commands.md lists them for scripts). */
export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  partial: 4,
  unreachable: 5,
  interrupted: 130,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export interface OperatorErrorOptions {
  /** What the operator should do next, as one imperative sentence or a command. */
  hint?: string;
  cause?: unknown;
}

/**
 * An expected failure: what is wrong and where (`message`), what to do next (`hint`), a stable
 * `code` for scripts, and the exit code. Anything else that is thrown is a bug and keeps its stack.
 * Neither text may hold a secret.
 */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
  readonly hint: string | undefined;

  constructor(
    /** Upper snake case, stable between releases, such as `BATCH_NOT_FOUND`. */
    readonly code: string,
    readonly exitCode: ExitCode,
    message: string,
    options: OperatorErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options.hint;
  }
}

type Maker = (code: string, message: string, options?: OperatorErrorOptions) => OperatorError;
const maker =
  (exitCode: ExitCode): Maker =>
  (code, message, options) =>
    new OperatorError(code, exitCode, message, options);

/** Exit 1: tried and failed, or a check found something. */
export const failed = maker(ExitCode.failed);
/** Exit 2: wrong usage, input or configuration. */
export const invalid = maker(ExitCode.usage);
/** Exit 3: refused before anything was changed. */
export const refused = maker(ExitCode.refused);
/** Exit 4: partly done, can be resumed. */
export const partial = maker(ExitCode.partial);
/** Exit 5: a database or store could not be reached. */
export const unreachable = maker(ExitCode.unreachable);

/** Exit 130: the operator stopped it. */
export const interrupted = (message = 'Interrupted.', options?: OperatorErrorOptions) =>
  new OperatorError('INTERRUPTED', ExitCode.interrupted, message, options);

export const isOperatorError = (error: unknown): error is OperatorError =>
  error instanceof OperatorError;

/** Throws the `INTERRUPTED` error when the signal has fired. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw isOperatorError(signal.reason) ? signal.reason : interrupted();
}

export const errorMessage = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** The `code` of a Node or PostgreSQL error (`ENOSPC`, `42P01`), when there is one. */
export const errorCode = (error: unknown): string | undefined =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
