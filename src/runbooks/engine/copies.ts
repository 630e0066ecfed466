import type { DatabaseClient } from '../../database/client.js';
import type { Owner } from '../../system/owner.js';
import type { JsonObject } from './definition.js';
import type { JournalEntry, RunState } from './events.js';

/** A run as the database knows it, from whatever machine its journal was copied. */
export interface CopiedRun {
  runId: string;
  runbook: string;
  title: string;
  state: RunState;
  input: JsonObject;
  dryRun: boolean;
  incident: string | null;
  by: Owner;
  definition: string;
  startedAt: string;
  finishedAt: string | null;
  /** How many the journal had when it was copied. */
  entries: number;
}

/** At most so many runs are given, the newest. */
const mostRuns = 500;

/** Runs that were started for an incident, by any of its names, or that have one of the ids. */
export async function copiedRuns(
  client: Pick<DatabaseClient, 'query'>,
  wanted: { incidents: readonly string[]; runIds: readonly string[] },
): Promise<CopiedRun[]> {
  const rows = await client.query<
    Omit<CopiedRun, 'startedAt' | 'finishedAt'> & { started: Date; finished: Date | null }
  >(
    `SELECT run_id AS "runId", runbook, title, state, input, dry_run AS "dryRun", incident,
            started_by AS by, definition, entries, started_at AS started, finished_at AS finished
     FROM maintenance.runbook_runs WHERE incident = ANY ($1) OR run_id = ANY ($2)
     ORDER BY started_at DESC, run_id LIMIT ${mostRuns}`,
    [wanted.incidents, wanted.runIds],
  );
  return rows.map(({ started, finished, ...run }) => ({
    ...run,
    startedAt: started.toISOString(),
    finishedAt: finished?.toISOString() ?? null,
  }));
}

/** What happened in a run, in its order. */
export async function copiedEntries(
  client: Pick<DatabaseClient, 'query'>,
  runId: string,
): Promise<Pick<JournalEntry, 'at' | 'event'>[]> {
  const rows = await client.query<{ at: Date; event: JournalEntry['event'] }>(
    'SELECT at, event FROM maintenance.runbook_events WHERE run_id = $1 ORDER BY seq',
    [runId],
  );
  return rows.map(({ at, event }) => ({ at: at.toISOString(), event }));
}
