import { randomBytes } from 'node:crypto';
import { chown, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, failed } from '../../system/errors.js';
import { describeFileError, makeDirectory, writeFileAtomic } from '../../system/files.js';
import { registerSecret } from '../../system/redact.js';
import type { Account } from './account.js';
import { findInstance } from './find-instance.js';

export const serverUser = 'reviewops';
export const serverDatabase = 'reviewops';

/** What is known of the embedded server of a state directory (`server.json`). Holds no secret. */
export interface ServerRecord {
  format: 1;
  /** Directory of the instance, owned by the account: `data` and `server.log` are in it. */
  instance: string;
  /** A directory of ours around the instance, made for it outside of the state directory. */
  outside?: string;
  /** Null: the server runs as whoever runs us. */
  account: Account | null;
  /** Where the server listened last; 0 before its first start. */
  port: number;
  /** Version of the server's programs, such as `18.4`; empty before the first start. */
  version: string;
  /** False until the data directory is complete. */
  initialised: boolean;
  /** Set by reset before it removes anything: what is left is then finished off, never used. */
  removing?: true;
}

export const serverDirectory = (home: string): string => join(home, 'postgres');
export const lockFile = (home: string): string => join(serverDirectory(home), 'lock');
export const passwordFile = (home: string): string => join(serverDirectory(home), 'pgpass');
export const recordFile = (home: string): string => join(serverDirectory(home), 'server.json');
export const dataDirectory = (record: ServerRecord): string => join(record.instance, 'data');
export const logFile = (record: ServerRecord): string => join(record.instance, 'server.log');

/** Makes the server's directory in the state directory; the owner of the one gets the other. */
export async function makeServerDirectory(home: string): Promise<void> {
  const directory = serverDirectory(home);
  try {
    // Who runs the server has to pass through it; what is secret in it has its own mode.
    await makeDirectory(directory, 0o755);
    await giveToOwner(home, directory);
  } catch (error) {
    throw describeFileError(error, directory);
  }
}

/** What root makes in somebody's state directory belongs to that person. */
async function giveToOwner(home: string, path: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(home);
  await chown(path, uid, gid);
}

/**
 * What is known of the server of a state directory; undefined when it has none. A record that was
 * lost or damaged is made up from the instance that it was of. Without its password an instance is
 * one that another directory of this path left outside when it was deleted.
 */
export async function readRecord(home: string): Promise<ServerRecord | undefined> {
  const path = recordFile(home);
  const text = await readText(path);
  const record = text === undefined ? undefined : parseRecord(text);
  if (record !== undefined) return record;
  const found =
    (await readText(passwordFile(home))) === undefined
      ? undefined
      : await findInstance(home, serverDirectory(home));
  if (found !== undefined) return { format: 1, ...found, port: 0, version: '', initialised: true };
  if (text === undefined) return undefined;
  throw failed('SERVER_RECORD_DAMAGED', `${path} is not a record of an embedded server.`, {
    hint: 'The data that it was of is gone from where it could be. Restore both, or remove the file: a new, empty database is made then.',
  });
}

function parseRecord(text: string): ServerRecord | undefined {
  try {
    const record = JSON.parse(text) as Partial<ServerRecord> | null;
    if (record?.format === 1 && typeof record.instance === 'string') return record as ServerRecord;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return undefined;
}

export async function writeRecord(home: string, record: ServerRecord): Promise<void> {
  await writeFileAtomic(recordFile(home), `${JSON.stringify(record, undefined, 2)}\n`, {
    mode: 0o644,
  });
  await giveToOwner(home, recordFile(home));
}

/** The server's password; undefined before there is one. Kept as a PGPASSFILE, for psql. */
export async function readPassword(home: string): Promise<string | undefined> {
  const path = passwordFile(home);
  const text = await readText(path);
  if (text === undefined) return undefined;
  const password = text.trim().split(':')[4];
  if (password) {
    registerSecret(password);
    return password;
  }
  throw failed('PASSWORD_FILE_DAMAGED', `${path} does not hold the embedded server’s password.`, {
    hint: 'Restore it from a backup, or start afresh: reviewops local reset --confirm local',
  });
}

export async function makePassword(home: string): Promise<string> {
  // Letters, digits, - and _ only: no format has to escape it.
  const password = randomBytes(24).toString('base64url');
  registerSecret(password);
  await writeFileAtomic(passwordFile(home), `127.0.0.1:*:*:${serverUser}:${password}\n`, {
    mode: 0o600,
  });
  await giveToOwner(home, passwordFile(home));
  return password;
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    if (errorCode(error) === 'EACCES') {
      throw failed('PERMISSION_DENIED', `Permission denied for ${path}.`, {
        hint: 'The embedded server was set up by another user: run this as that user, or choose another state directory with --home.',
        cause: error,
      });
    }
    throw error;
  }
}
