import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../system/errors.js';
import { describeFileError, makeDirectory } from '../../system/files.js';
import { isRunId, runsDirectory } from './journal.js';

/** Runs whose journal the database does not have in full: one empty file each. */
const directory = (home: string): string => join(runsDirectory(home), 'unsynchronised');

export async function markUnsynchronised(home: string, runId: string): Promise<void> {
  const path = join(directory(home), runId);
  try {
    await makeDirectory(directory(home), 0o700);
    await (await open(path, 'a', 0o600)).close();
  } catch (error) {
    throw describeFileError(error, path);
  }
}

export const markSynchronised = (home: string, runId: string): Promise<void> =>
  rm(join(directory(home), runId), { force: true });

/** Ids, oldest first. */
export async function unsynchronisedRuns(home: string): Promise<string[]> {
  try {
    return (await readdir(directory(home))).filter(isRunId).sort();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
