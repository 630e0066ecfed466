import { errorCode, failed, interrupted, invalid, isOperatorError } from '../../system/errors.js';
import { redact } from '../../system/redact.js';
import type { StepContext } from './definition.js';

export interface CommandOptions {
  /** Working directory; default: that of this process. */
  cwd?: string;
  /** Added to the environment of this process. The place for secrets. */
  env?: Record<string, string>;
  /** Text for its stdin. */
  input?: string;
}

export interface CommandResult {
  exitCode: number;
  /** Its last lines, up to `keptCharacters` of each stream. Holds secrets as they were printed. */
  stdout: string;
  stderr: string;
  seconds: number;
}

const keptCharacters = 64_000;

/** How long a process may take to end after SIGTERM, in milliseconds. */
const graceMilliseconds = 2000;

/** Process groups that live; whoever leaves at once takes them along. */
const groups = new Set<number>();
let leaving = false;

function killAtExit(): void {
  if (leaving) return;
  leaving = true;
  process.once('exit', () => {
    for (const group of groups) signalGroup(group, 'SIGKILL');
  });
}

/**
 * Runs a program with its arguments, without a shell, and shows its lines as output of the step.
 * When the step is stopped or reaches its time limit, the program and everything it has started
 * end: SIGTERM to the process group, SIGKILL two seconds later.
 *
 * @throws COMMAND_NOT_FOUND, SECRET_IN_ARGUMENTS (exit 2); INTERRUPTED; the error of the time limit
 */
export async function runCommand(
  context: Pick<StepContext<unknown>, 'signal' | 'output'>,
  [program = '', ...args]: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { signal, output } = context;
  refuseSecrets([program, ...args]);
  const { execa } = await import('execa');
  // From here to where the signal is listened to, nothing waits.
  if (signal.aborted) throw stopReason(signal);
  killAtExit();
  const startedAt = performance.now();
  const child: Child = execa(program, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.input === undefined ? { stdin: 'ignore' } : { input: options.input }),
    // A group of its own, so that its children can be reached through it.
    detached: true,
    buffer: false,
    reject: false,
  });
  const kept = { stdout: new Tail(), stderr: new Tail() };
  const reading = Promise.all([
    follow(child, 'stdout', kept.stdout, output),
    follow(child, 'stderr', kept.stderr, output),
  ]);
  const result = await ended(child, signal, reading);
  if (signal.aborted) throw stopReason(signal);
  if (result.exitCode === undefined && result.signal === undefined) {
    throw notStarted(program, result.cause);
  }
  return {
    // As shells do it: 128 and the number would need a table; any signal is a failure.
    exitCode: result.exitCode ?? 128,
    stdout: kept.stdout.text,
    stderr: kept.stderr.text,
    seconds: (performance.now() - startedAt) / 1000,
  };
}

/** What is used of execa's process, whose own type differs with each option. */
interface Child
  extends PromiseLike<{
    exitCode?: number | undefined;
    signal?: string | undefined;
    cause?: unknown;
  }> {
  pid?: number | undefined;
  iterable(options: { from: 'stdout' | 'stderr' }): AsyncIterable<unknown>;
}

/** Waits for the end of the program and of its output; ends its whole group when stopped. */
async function ended(child: Child, signal: AbortSignal, reading: Promise<unknown>) {
  const group = child.pid;
  if (group !== undefined) groups.add(group);
  let killing: NodeJS.Timeout | undefined;
  const stop = () => {
    if (group === undefined) return;
    signalGroup(group, 'SIGTERM');
    killing = setTimeout(() => signalGroup(group, 'SIGKILL'), graceMilliseconds);
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    const result = await child;
    await reading;
    return result;
  } finally {
    signal.removeEventListener('abort', stop);
    clearTimeout(killing);
    // Its leader is gone; what it left behind in the group must not outlive a stop.
    if (group !== undefined) {
      if (signal.aborted) signalGroup(group, 'SIGKILL');
      groups.delete(group);
    }
  }
}

async function follow(
  child: Child,
  stream: 'stdout' | 'stderr',
  tail: Tail,
  output: (text: string) => void,
): Promise<void> {
  for await (const line of child.iterable({ from: stream })) {
    const text = String(line);
    tail.add(text);
    output(text);
  }
}

/** The end of a text that may be long. */
class Tail {
  text = '';

  add(line: string): void {
    this.text = `${this.text}${line}\n`.slice(-keptCharacters);
  }
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch (error) {
    // Everything in it has ended.
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

/** Everybody on the machine can read the arguments of a process. */
function refuseSecrets(words: readonly string[]): void {
  if (words.every((word) => redact(word) === word)) return;
  throw invalid('SECRET_IN_ARGUMENTS', 'A secret would stand in the process list.', {
    hint: 'Hand it to the program through its environment or stdin.',
  });
}

function notStarted(program: string, cause: unknown) {
  const code = errorCode(cause);
  if (code === 'ENOENT') {
    return invalid('COMMAND_NOT_FOUND', `There is no program "${program}" on the PATH.`, {
      hint: 'Install it, or give its full path.',
      cause,
    });
  }
  // Said of a name, too, when a directory of the PATH may not be searched.
  if (code === 'EACCES') {
    return invalid('COMMAND_NOT_FOUND', `There is no program "${program}" that you may run.`, {
      hint: 'Check its permissions, or install it where the user who runs this finds it.',
      cause,
    });
  }
  return failed('COMMAND_NOT_STARTED', `"${program}" could not be started: ${code ?? 'unknown'}.`, {
    cause,
  });
}

const stopReason = (signal: AbortSignal): Error =>
  isOperatorError(signal.reason) ? signal.reason : interrupted();
