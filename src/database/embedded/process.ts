import { execFile } from 'node:child_process';
import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { errorCode, failed, throwIfAborted } from '../../system/errors.js';

/** What the server's own pid file says. */
export interface Postmaster {
  pid: number;
  port: number;
  startedAt: Date;
  state: 'starting' | 'ready' | 'stopping';
}

const pollMilliseconds = 25;

/** The server that runs on a data directory right now; undefined when there is none. */
export async function findPostmaster(dataDirectory: string): Promise<Postmaster | undefined> {
  const file = await readPidFile(dataDirectory);
  return file !== undefined && (await isServerOf(file.pid, dataDirectory)) ? file : undefined;
}

/** The pid file as it is, whether or not its process lives; undefined when there is none. */
export async function readPidFile(dataDirectory: string): Promise<Postmaster | undefined> {
  let text: string;
  try {
    text = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    if (errorCode(error) === 'EACCES') {
      throw failed('PERMISSION_DENIED', `Permission denied for ${dataDirectory}.`, {
        hint: 'The embedded server was set up by another user: run this as that user, or choose another state directory with --home.',
        cause: error,
      });
    }
    throw error;
  }
  // Lines: pid, data directory, start (epoch), port, socket directory, address, memory key, state.
  const [pid, , started, port, , , , state] = text.split('\n').map((line) => line.trim());
  return {
    pid: Number(pid),
    port: Number(port),
    startedAt: new Date(Number(started) * 1000),
    state: state === 'ready' ? 'ready' : state === 'stopping' ? 'stopping' : 'starting',
  };
}

/** Whether a process is a PostgreSQL server that works in this data directory. */
export async function isServerOf(pid: number, dataDirectory: string): Promise<boolean> {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  if (process.platform !== 'linux') return isServerByCommand(pid, dataDirectory);
  try {
    const [cwd, exe, data] = await Promise.all([
      readlink(`/proc/${pid}/cwd`),
      readlink(`/proc/${pid}/exe`),
      realpath(dataDirectory),
    ]);
    // The program may have been replaced by an upgrade since: the link then ends in " (deleted)".
    return cwd === data && /\/postgres( \(deleted\))?$/.test(exe);
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(errorCode(error) ?? '')) return false;
    throw error;
  }
}

/** Where there is no /proc: pg_ctl starts the server with its data directory in the command. */
async function isServerByCommand(pid: number, dataDirectory: string): Promise<boolean> {
  try {
    const command = await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]);
    return command.stdout.includes(dataDirectory);
  } catch (error) {
    // ps ends with 1 when there is no such process.
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 1) {
      return false;
    }
    throw error;
  }
}

/** Processes of a server that was killed and that still hold on to its data directory. */
export async function findLeftovers(dataDirectory: string): Promise<number[]> {
  if (process.platform !== 'linux') return [];
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const ours = await Promise.all(pids.map((pid) => isServerOf(pid, dataDirectory)));
  return pids.filter((_, index) => ours[index]);
}

/** Signals a process; false when it is gone already. */
export function signalProcess(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
    throw error;
  }
}

/** Waits until a condition holds; false when the time (seconds) runs out first. */
export async function until(
  condition: () => Promise<boolean>,
  seconds: number,
  signal: AbortSignal,
): Promise<boolean> {
  const end = Date.now() + seconds * 1000;
  while (!(await condition())) {
    throwIfAborted(signal);
    if (Date.now() > end) return false;
    await wait(pollMilliseconds);
  }
  return true;
}
