import { spawn } from 'node:child_process';
import { errorCode, throwIfAborted } from '../../system/errors.js';

/** A user of the machine that the server runs as when we are root, which PostgreSQL refuses. */
export interface Account {
  uid: number;
  gid: number;
  name: string;
}

export interface RunOptions {
  /** Whom the program runs as; undefined: whoever runs us. */
  account: Account | undefined;
  signal: AbortSignal;
  /** Written to its standard input, which is closed after. */
  input?: string;
}

export interface RunResult {
  /** Exit status; null when it could not be started or was killed. */
  status: number | null;
  /** Code of the error that kept it from starting, such as `ENOENT`. */
  startError: string | undefined;
  /** Standard output and error, in the order in which they came. */
  output: string;
}

/**
 * Runs a program of the server's and collects what it says. The environment is a fixed one: the
 * server outlives the command, so nothing of the operator's environment (which may hold secrets)
 * goes into it. It gets a session of its own: Ctrl-C reaches us, and we decide what it means.
 */
export async function run(
  program: string,
  args: string[],
  { account, signal, input }: RunOptions,
): Promise<RunResult> {
  throwIfAborted(signal);
  const result = await new Promise<RunResult>((resolve) => {
    const child = spawn(program, args, {
      // The present directory may be closed to the account the program runs as.
      cwd: '/',
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
    });
    const output: Buffer[] = [];
    const stop = () => {
      // The whole group: initdb runs a server of its own.
      if (child.pid !== undefined) killGroup(child.pid);
    };
    const finish = (status: number | null, startError?: string) => {
      signal.removeEventListener('abort', stop);
      resolve({ status, startError, output: Buffer.concat(output).toString('utf8') });
    };
    signal.addEventListener('abort', stop, { once: true });
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
    child.on('error', (error) => finish(null, errorCode(error) ?? 'UNKNOWN'));
    child.on('close', (status) => finish(status));
    // A program that ends without reading its input is not an error of ours.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input ?? '');
  });
  throwIfAborted(signal);
  return result;
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGTERM');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
