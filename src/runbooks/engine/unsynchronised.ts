import { randomBytes } from 'node:crypto';
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../system/errors.js';
import { describeFileError, makeDirectory } from '../../system/files.js';
import { isRunId, runsDirectory } from './journal.js';

/**
 * Runs whose journal the database does not have in full: an empty file for each time that somebody
 * began to write in one. Who copies a journal removes the marks that it saw before it read, and no
 * later one: a run that goes on meanwhile stays marked.
 */
const directory = (home: string): string => join(runsDirectory(home), 'unsynchronised');

/** Marks a run before its journal is written; throws what the file system throws, by path. */
export async function markUnsynchronised(home: string, runId: string): Promise<void> {
  const path = join(directory(home), `${runId}.${randomBytes(4).toString('hex')}`);
  try {
    await makeDirectory(directory(home), 0o700);
    await (await open(path, 'a', 0o600)).close();
  } catch (error) {
    throw describeFileError(error, path);
  }
}

/** Removes marks, those that are gone already included. `marks`: names as `unsynchronisedRuns` gives them. */
export async function removeMarks(home: string, marks: readonly string[]): Promise<void> {
  for (const mark of marks) await rm(join(directory(home), mark), { force: true });
}

/** The marks of each run, by its id, oldest run first. */
export async function unsynchronisedRuns(home: string): Promise<Map<string, string[]>> {
  const runs = new Map<string, string[]>();
  for (const mark of (await namesIn(directory(home))).sort()) {
    const [runId = ''] = mark.split('.');
    if (isRunId(runId)) runs.set(runId, [...(runs.get(runId) ?? []), mark]);
  }
  return runs;
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
