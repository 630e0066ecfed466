import { readdir } from 'node:fs/promises';
import type { JournalReport } from '../health/context.js';
import { isRunId, readJournal, runsDirectory } from '../runbooks/engine/journal.js';
import { errorCode, errorMessage } from '../system/errors.js';

/** How many of the newest runs are looked at; reading thousands would take longer than all else. */
const mostRuns = 100;

/** Whether the journals of the newest runs are as they were written. */
export async function checkJournals(home: string): Promise<JournalReport> {
  const names = await readdir(runsDirectory(home)).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  const runIds = names
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => name.slice(0, -'.jsonl'.length))
    .filter(isRunId)
    // Run ids begin with their time.
    .sort()
    .slice(-mostRuns);
  const broken: JournalReport['broken'] = [];
  await Promise.all(
    runIds.map(async (runId) => {
      try {
        await readJournal(home, runId);
      } catch (error) {
        broken.push({ runId, problem: errorMessage(error) });
      }
    }),
  );
  return { checked: runIds.length, broken };
}
