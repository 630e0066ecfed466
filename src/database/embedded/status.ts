import { lstat, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errorCode } from '../../system/errors.js';
import { findPostmaster } from './process.js';
import {
  dataDirectory,
  logFile,
  passwordFile,
  readRecord,
  serverDatabase,
  serverUser,
} from './record.js';

export interface EmbeddedStatus {
  running: boolean;
  /** `stopped` includes: never set up (then `dataDirectory` is null). */
  state: 'stopped' | 'starting' | 'ready' | 'stopping';
  /** The port it listens on, or listened on last; null before its first start. */
  port: number | null;
  pid: number | null;
  dataDirectory: string | null;
  logFile: string | null;
  /** Of the server, such as `18.4`. */
  version: string | null;
  /** Of the data directory. */
  sizeBytes: number;
  /** Without the password. */
  url: string | null;
  /** ISO 8601, UTC. */
  startedAt: string | null;
  /** The user it runs as; null when that is whoever runs reviewops. */
  runAs: string | null;
  /** Holds the password, as a PGPASSFILE for psql. */
  passwordFile: string | null;
}

/** The state of the embedded server. Reads only: starts, makes and repairs nothing. */
export async function embeddedStatus(options: { home: string }): Promise<EmbeddedStatus> {
  const home = resolve(options.home);
  const record = await readRecord(home);
  if (record === undefined || !record.initialised || record.removing) return nothing;
  const data = dataDirectory(record);
  const server = await findPostmaster(data);
  const port = server?.port || record.port || null;
  return {
    running: server?.state === 'ready',
    state: server?.state ?? 'stopped',
    port,
    pid: server?.pid ?? null,
    dataDirectory: data,
    logFile: logFile(record),
    version: record.version || null,
    sizeBytes: await directorySize(data),
    url: port === null ? null : `postgresql://${serverUser}@127.0.0.1:${port}/${serverDatabase}`,
    startedAt: server?.startedAt.toISOString() ?? null,
    runAs: record.account?.name ?? null,
    passwordFile: passwordFile(home),
  };
}

const nothing: EmbeddedStatus = {
  running: false,
  state: 'stopped',
  port: null,
  pid: null,
  dataDirectory: null,
  logFile: null,
  version: null,
  sizeBytes: 0,
  url: null,
  startedAt: null,
  runAs: null,
  passwordFile: null,
};

/** Bytes on disk below a directory; 0 when it is not there. */
export async function directorySize(directory: string): Promise<number> {
  let bytes = 0;
  for (const entry of await ignoreGone(readdir(directory, { withFileTypes: true }), [])) {
    const path = join(directory, entry.name);
    bytes += entry.isDirectory()
      ? await directorySize(path)
      : ((await ignoreGone(lstat(path), undefined))?.blocks ?? 0) * 512;
  }
  return bytes;
}

/** A running server removes files while we look. */
async function ignoreGone<T>(result: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await result;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return otherwise;
    throw error;
  }
}
