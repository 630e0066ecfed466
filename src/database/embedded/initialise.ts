import { randomBytes } from 'node:crypto';
import { appendFile, chown, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describeFileError, syncDirectory, writeFileAtomic } from '../../system/files.js';
import type { Account } from './account.js';
import { serverFailure } from './failure.js';
import { type ServerRecord, serverDatabase, serverUser } from './record.js';
import { run } from './run.js';
import { settingsFile } from './settings.js';

export interface InitialiseOptions {
  record: ServerRecord;
  /** Directory of the programs. */
  root: string;
  password: string;
  signal: AbortSignal;
}

/**
 * Makes the instance: data directory, user, database. Everything happens in a staging directory
 * that is renamed at the end, so that an instance is complete or not there.
 */
export async function initialise(options: InitialiseOptions): Promise<void> {
  const { instance } = options.record;
  await removeStaging(instance);
  const staging = `${instance}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await mkdir(staging, { mode: 0o700 });
    await give(staging, options.record.account);
    await fill(staging, options);
    await rename(staging, instance);
    await syncDirectory(dirname(instance));
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw describeFileError(error, instance);
  }
}

async function fill(staging: string, options: InitialiseOptions): Promise<void> {
  const { record, root, password, signal } = options;
  const account = record.account ?? undefined;
  const data = join(staging, 'data');
  const passwordFile = join(staging, 'password');
  await writeFileAtomic(passwordFile, `${password}\n`, { mode: 0o600 });
  await give(passwordFile, record.account);
  const step = async (program: string, args: string[], input?: string) => {
    const { status, startError, output } = await run(join(root, 'bin', program), args, {
      account,
      signal,
      ...(input === undefined ? {} : { input }),
    });
    if (status === 0) return;
    const said = output.trim() || (startError ?? `exit ${status}`);
    throw serverFailure(`Setting the server up (${program})`, said, record.instance, password);
  };
  await step('initdb', [
    `--pgdata=${data}`,
    `--username=${serverUser}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    // Everything is synced once, at the end.
    '--no-sync',
    '--encoding=UTF8',
    '--locale=C',
    // Sorts like C, by bytes, and still knows the upper case of é.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
  ]);
  await rm(passwordFile);
  await step(
    'postgres',
    ['--single', '-j', '-c', 'exit_on_error=on', '-c', 'fsync=off', '-D', data, 'postgres'],
    `CREATE DATABASE ${serverDatabase};\n\n`,
  );
  await appendFile(join(data, 'postgresql.conf'), `\ninclude_if_exists = '${settingsFile}'\n`);
  await step('initdb', [`--pgdata=${data}`, '--sync-only']);
}

/** What an earlier, interrupted set-up left. */
async function removeStaging(instance: string): Promise<void> {
  for (const name of await readdir(dirname(instance))) {
    if (name.startsWith(`${basename(instance)}.`) && name.endsWith('.tmp')) {
      await rm(join(dirname(instance), name), { recursive: true, force: true });
    }
  }
}

/** Makes the account the owner, when the server runs as another user than we. */
export async function give(path: string, account: Account | null): Promise<void> {
  if (account !== null) await chown(path, account.uid, account.gid);
}
