import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeFileError, makeDirectory } from '../system/files.js';
import { type Owner, ownerState, thisProcess } from '../system/owner.js';

const ownerFile = 'owner.json';

/**
 * A private directory under `<home>/tmp`, readable by this user only. What processes that are
 * gone left there is removed first.
 */
export async function makeScratch(home: string): Promise<string> {
  const parent = join(home, 'tmp');
  try {
    await makeDirectory(parent, 0o700);
    await removeAbandoned(parent);
    const directory = await mkdtemp(join(parent, 'run-'));
    await writeFile(join(directory, ownerFile), JSON.stringify(thisProcess()));
    return directory;
  } catch (error) {
    throw describeFileError(error, parent);
  }
}

export const removeScratch = (directory: string): Promise<void> =>
  rm(directory, { recursive: true, force: true });

async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith('run-')) continue;
    const directory = join(parent, name);
    const owner = await readOwner(directory);
    if (owner !== undefined && ownerState(owner) === 'gone') await removeScratch(directory);
  }
}

/** Undefined while the owner has not written itself down yet, or on another machine's turn. */
async function readOwner(directory: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(join(directory, ownerFile), 'utf8')) as Owner;
  } catch {
    // Being made, being removed by another command, or cut short by a full disk: left alone.
    return undefined;
  }
}
