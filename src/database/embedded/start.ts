import { readFile, rename, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { errorCode, failed, type OperatorError } from '../../system/errors.js';
import { writeFileAtomic } from '../../system/files.js';
import type { Report } from '../../system/progress.js';
import { readLog, serverFailure } from './failure.js';
import { give } from './initialise.js';
import {
  findLeftovers,
  findPostmaster,
  type Postmaster,
  readPidFile,
  signalProcess,
  until,
} from './process.js';
import { dataDirectory, logFile, type ServerRecord } from './record.js';
import { run } from './run.js';
import { serverSettings, settingsFile } from './settings.js';

export interface StartOptions {
  record: ServerRecord;
  /** Directory of the programs. */
  root: string;
  /** What the configuration says; 0 is any free port. */
  port: number;
  signal: AbortSignal;
  report: Report;
  /** Stores the record before the server is started with it. */
  save: (record: ServerRecord) => Promise<void>;
}

/** Recovery after a crash replays up to the log's size (max_wal_size): minutes on a slow disk. */
const startSeconds = 600;
const logLimitBytes = 10_000_000;

/** Starts the server on an instance that is complete and not running. The lock is held. */
export async function startServer(options: StartOptions): Promise<Postmaster> {
  const data = dataDirectory(options.record);
  await clearRemains(data, options);
  await rotateLog(logFile(options.record));
  for (let attempt = 1; ; attempt += 1) {
    const record = { ...options.record, port: await choosePort(options) };
    await options.save(record);
    const settings = join(data, settingsFile);
    await writeFileAtomic(settings, await serverSettings(record.port), { mode: 0o600 });
    await give(settings, record.account);
    const said = await launch(record, options);
    if (said === undefined) {
      const server = await findPostmaster(data);
      if (server !== undefined) return server;
    }
    const output = said ?? 'The server ended right after it had started.';
    // Somebody took the port between our look and the server's.
    const taken = /Address already in use/i.test(output);
    if (taken && options.port !== 0) throw portTaken(options.port);
    if (!taken || attempt >= 5) {
      throw serverFailure('Starting the embedded server', output, logFile(record));
    }
  }
}

/** Runs pg_ctl until the server is ready; otherwise returns what it and the log say. */
async function launch(
  record: ServerRecord,
  { root, signal }: StartOptions,
): Promise<string | undefined> {
  const log = logFile(record);
  const before = await sizeOf(log);
  const { status, startError, output } = await run(
    join(root, 'bin', 'pg_ctl'),
    ['start', '-w', '-t', String(startSeconds), '-s', '-D', dataDirectory(record), '-l', log],
    { account: record.account ?? undefined, signal },
  );
  if (status === 0) return undefined;
  return [startError, output, await readLog(log, before)].filter(Boolean).join('\n');
}

/**
 * After a crash: ends processes that still hold on to the data directory (a new server refuses to
 * start beside them) and removes a pid file whose number another program got since.
 */
async function clearRemains(data: string, { signal, report }: StartOptions): Promise<void> {
  const gone = async () => (await findLeftovers(data)).length === 0;
  if (!(await gone())) {
    report({ type: 'notice', message: 'The embedded server had crashed; repairing it.' });
    // They notice the loss of their server and end by themselves, unless in the middle of work.
    for (const name of [undefined, 'SIGTERM', 'SIGQUIT'] as const) {
      if (name !== undefined) {
        for (const pid of await findLeftovers(data)) signalProcess(pid, name);
      }
      if (await until(gone, name === undefined ? 1 : 3, signal)) break;
    }
    const left = await findLeftovers(data);
    if (left.length > 0) {
      throw failed(
        'EMBEDDED_LEFTOVERS',
        `Processes of a crashed server do not end: ${left.join(', ')}.`,
        { hint: `End them (kill -9 ${left.join(' ')}), then run it again.` },
      );
    }
  }
  const file = await readPidFile(data);
  // A dead process's file is left to PostgreSQL, which checks more than we can.
  if (file !== undefined && (!Number.isInteger(file.pid) || alive(file.pid))) {
    report({ type: 'notice', message: 'Removing the pid file of a server that is gone.' });
    await rm(join(data, 'postmaster.pid'));
  }
}

function alive(pid: number): boolean {
  try {
    return signalProcess(pid, 0);
  } catch (error) {
    if (errorCode(error) === 'EPERM') return true;
    throw error;
  }
}

/** Throws `PORT_TAKEN` when the configuration names a port that somebody else listens on. */
export async function requireFree(port: number): Promise<void> {
  if (port !== 0 && !(await isFree(port))) throw portTaken(port);
}

async function choosePort({ port, record, report }: StartOptions): Promise<number> {
  await requireFree(port);
  if (port !== 0) return port;
  if (record.port !== 0) {
    if (await isFree(record.port)) return record.port;
    report({
      type: 'notice',
      message: `Port ${record.port} is taken by another program; choosing another one.`,
    });
  }
  return freePort();
}

const portTaken = (port: number): OperatorError =>
  failed('PORT_TAKEN', `Port ${port} of 127.0.0.1 is taken by another program.`, {
    hint: `Stop that program (ss -ltnp 'sport = :${port}'), or set database.port to another port or to 0 (any free one).`,
  });

const listen = (port: number): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      const code = errorCode(error);
      if (code === 'EADDRINUSE') resolve(undefined);
      else if (code === 'EACCES') {
        reject(
          failed('PORT_FORBIDDEN', `Port ${port} may not be used by this user.`, {
            hint: 'Set database.port to a port from 1024 up, or to 0 (any free one).',
            cause: error,
          }),
        );
      } else reject(error);
    });
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined));
    });
  });

const isFree = async (port: number): Promise<boolean> => (await listen(port)) !== undefined;

async function freePort(): Promise<number> {
  const port = await listen(0);
  if (port !== undefined) return port;
  throw failed('PORT_TAKEN', 'The system has no free port left on 127.0.0.1.', {
    hint: 'End programs that hold many connections, then run it again.',
  });
}

async function rotateLog(path: string): Promise<void> {
  if ((await sizeOf(path)) > logLimitBytes) await rename(path, `${path}.1`);
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 0;
    throw error;
  }
}

/** The data directory's major version, such as `18`; undefined when it is not there. */
export async function dataVersion(data: string): Promise<string | undefined> {
  try {
    return (await readFile(join(data, 'PG_VERSION'), 'utf8')).trim();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
