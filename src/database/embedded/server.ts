import { resolve } from 'node:path';
import type { Config } from '../../config/schema.js';
import { failed, isOperatorError } from '../../system/errors.js';
import { describeFileError, makeDirectory } from '../../system/files.js';
import type { JobContext } from '../../system/progress.js';
import type { DatabaseTarget } from '../target.js';
import { serverAccount } from './account.js';
import { findBinaries } from './binaries.js';
import { initialise } from './initialise.js';
import { withLock } from './lock.js';
import { sweepOrphans } from './orphans.js';
import { placeBinaries, placeInstance } from './placement.js';
import { findPostmaster, isServerOf, signalProcess, until } from './process.js';
import {
  dataDirectory,
  lockFile,
  makePassword,
  makeServerDirectory,
  passwordFile,
  readPassword,
  readRecord,
  type ServerRecord,
  serverDatabase,
  serverUser,
  writeRecord,
} from './record.js';
import { finishRemoval } from './removal.js';
import { dataVersion, requireFree, startServer } from './start.js';

export interface EmbeddedOptions extends JobContext {
  /** The state directory. */
  home: string;
  config: Pick<Config, 'database'>;
}

const settleSeconds = 600;
const stopSeconds = 60;

/**
 * The embedded database, started when it does not run: set up at first, repaired after a crash.
 * Safe to call from any number of processes at once. The server outlives this process.
 */
export async function ensureEmbedded(options: EmbeddedOptions): Promise<DatabaseTarget> {
  const home = resolve(options.home);
  const running = await findTarget(home);
  if (running !== undefined) return running;
  return underLock(home, options, async () => {
    const record = await prepareRecord(home, options);
    await settle(record, options.signal);
    return (await findTarget(home)) ?? (await start(home, record, options));
  });
}

/**
 * Stops the embedded server: connections are ended, what was committed is kept. `pid` is null when
 * it did not run. Throws `EMBEDDED_STOP_TIMEOUT` (1).
 */
export async function stopEmbedded(
  options: Pick<EmbeddedOptions, 'home' | 'signal' | 'report'>,
): Promise<{ stopped: boolean; pid: number | null }> {
  const home = resolve(options.home);
  if ((await readRecord(home)) === undefined) return { stopped: false, pid: null };
  const stop = async () => {
    const record = await readRecord(home);
    const pid = record === undefined ? null : await stopServer(record, options.signal);
    return { stopped: pid !== null, pid };
  };
  try {
    return await underLock(home, options, stop);
  } catch (error) {
    // Stopping takes no room, and nobody else can be starting: that would take this lock, too.
    if (isOperatorError(error) && error.code === 'DISK_FULL') return stop();
    throw error;
  }
}

/** Stops the server of a record, the lock being held. Returns its pid; null when it did not run. */
export async function stopServer(
  record: ServerRecord,
  signal: AbortSignal,
): Promise<number | null> {
  const data = dataDirectory(record);
  const server = await findPostmaster(data);
  if (server === undefined) return null;
  // SIGINT is PostgreSQL's fast shutdown.
  signalProcess(server.pid, 'SIGINT');
  // Its pid file goes a moment before it does.
  const gone = async () => !(await isServerOf(server.pid, data));
  if (await until(gone, stopSeconds, signal)) return server.pid;
  throw failed(
    'EMBEDDED_STOP_TIMEOUT',
    `The embedded server (pid ${server.pid}) has not ended within ${stopSeconds} s.`,
    { hint: `See its log in ${record.instance}; kill -QUIT ${server.pid} ends it at once.` },
  );
}

/** Holds the lock of the state directory's server; makes that directory when it is not there. */
export async function underLock<T>(
  home: string,
  { signal, report }: Pick<EmbeddedOptions, 'signal' | 'report'>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    await makeDirectory(home);
  } catch (error) {
    throw describeFileError(error, home);
  }
  await makeServerDirectory(home);
  return withLock(lockFile(home), { signal, report, what: `the embedded server of ${home}` }, work);
}

/** Where the database is, when its server is ready. */
async function findTarget(home: string): Promise<DatabaseTarget | undefined> {
  const record = await readRecord(home);
  if (record === undefined || !record.initialised || record.removing) return undefined;
  const server = await findPostmaster(dataDirectory(record));
  if (server?.state !== 'ready') return undefined;
  const password = await readPassword(home);
  if (password !== undefined) return target(server.port, password);
  throw failed('PASSWORD_FILE_MISSING', `The server’s password, ${passwordFile(home)}, is gone.`, {
    hint: 'Restore the file, or start afresh: reviewops local reset --confirm local',
  });
}

const target = (port: number, password: string): DatabaseTarget => ({
  url: `postgresql://${serverUser}:${password}@127.0.0.1:${port}/${serverDatabase}?sslmode=disable`,
  kind: 'embedded',
  endpoint: 'loopback',
  description: `127.0.0.1:${port}/${serverDatabase}`,
});

/** The record to work with: a new one where there is none, or where a reset was interrupted. */
async function prepareRecord(home: string, { signal }: EmbeddedOptions): Promise<ServerRecord> {
  const found = await readRecord(home);
  if (found?.removing) await finishRemoval(home, found);
  else if (found !== undefined) {
    // Set up by the directory's owner, and now we are root.
    return { ...found, account: found.account ?? (await serverAccount(home)) ?? null };
  }
  const account = await serverAccount(home);
  const place = await placeInstance(home, account, signal);
  const record: ServerRecord = {
    format: 1,
    ...place,
    account: account ?? null,
    port: 0,
    version: '',
    initialised: false,
  };
  await writeRecord(home, record);
  return record;
}

/** Waits for a server that another command started or stopped and did not wait for. */
async function settle(record: ServerRecord, signal: AbortSignal): Promise<void> {
  const settled = async () => {
    const server = await findPostmaster(dataDirectory(record));
    return server === undefined || server.state === 'ready';
  };
  if (await until(settled, settleSeconds, signal)) return;
  throw failed(
    'EMBEDDED_START_FAILED',
    `The embedded server has been neither ready nor gone for ${settleSeconds} s.`,
    { hint: `See its log in ${record.instance}.` },
  );
}

async function start(
  home: string,
  found: ServerRecord,
  options: EmbeddedOptions,
): Promise<DatabaseTarget> {
  const { signal, report, config } = options;
  // Known before a data directory is made for it.
  await requireFree(config.database.port);
  if (found.outside !== undefined) await sweepOrphans(options);
  const installed = await findBinaries();
  const { root, version } = await placeBinaries(installed, found, home, signal);
  const record = await completeInstance(home, { ...found, version }, root, options);
  await startServer({
    record,
    root,
    port: config.database.port,
    signal,
    report,
    save: (next) => writeRecord(home, next),
  });
  const started = await findTarget(home);
  if (started !== undefined) return started;
  throw failed('EMBEDDED_START_FAILED', 'The embedded server ended right after its start.', {
    hint: `See its log in ${record.instance}.`,
  });
}

/** Makes the data directory when there is none yet; refuses one that this release cannot run. */
async function completeInstance(
  home: string,
  record: ServerRecord,
  root: string,
  { signal, report }: EmbeddedOptions,
): Promise<ServerRecord> {
  const data = dataDirectory(record);
  const major = await dataVersion(data);
  const ours = record.version.split('.')[0];
  if (major !== undefined && major !== ours) {
    throw failed(
      'DATA_DIRECTORY_VERSION',
      `${data} was made by PostgreSQL ${major}; this release of reviewops brings ${record.version}.`,
      {
        hint: 'Run the release that made it, or start afresh: reviewops local reset --confirm local',
      },
    );
  }
  if (record.initialised && major === undefined) {
    throw failed('DATA_DIRECTORY_MISSING', `The data directory ${data} is gone.`, {
      hint: 'Mount or restore it, or start afresh: reviewops local reset --confirm local',
    });
  }
  if (major === undefined) {
    report({ type: 'notice', message: `Setting up an embedded PostgreSQL ${record.version}.` });
    const password = (await readPassword(home)) ?? (await makePassword(home));
    await initialise({ record, root, password, signal });
  }
  const complete = { ...record, initialised: true };
  await writeRecord(home, complete);
  return complete;
}
