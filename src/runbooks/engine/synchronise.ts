import type { Config } from '../../config/schema.js';
import type { DatabaseClient } from '../../database/client.js';
import type { DatabaseTarget } from '../../database/target.js';
import { isOperatorError } from '../../system/errors.js';
import type { JournalEntry } from './events.js';
import { type RunSummary, runIds, summarise } from './history.js';
import { readJournal } from './journal.js';
import { activeRuns } from './run-lock.js';
import { removeMarks, unsynchronisedRuns } from './unsynchronised.js';

/** How long the copy to the database may hold up a command, in seconds. */
const limitSeconds = 5;

/** How many of the newest runs are compared with their copies, beside those that are copied. */
const comparedRuns = 20;

/** Entries of one statement. */
const batchSize = 500;

export interface SynchroniseOptions {
  target: DatabaseTarget;
  settings: Config['database'];
  now: Date;
  signal: AbortSignal;
}

/**
 * Copies what the database lacks of the local journals to `maintenance.runbook_runs` and
 * `runbook_events`. Repeatable at any point; a run is left for the next command until all of it
 * was copied. Gives the ids of runs, of those and the newest others, whose copy does not fit the
 * journal: one of them was changed.
 */
export async function synchronise(
  home: string,
  { target, settings, now, signal }: SynchroniseOptions,
): Promise<string[]> {
  const runs = await unsynchronisedRuns(home);
  if (runs.size === 0) return [];
  const { withClient } = await import('../../database/client.js');
  const active = await activeRuns(home, now);
  const odd: string[] = [];
  const limited = {
    purpose: 'runbook journal',
    settings: { ...settings, connectTimeoutSeconds: Math.min(settings.connectTimeoutSeconds, 2) },
    signal: AbortSignal.any([signal, AbortSignal.timeout(limitSeconds * 1000)]),
  };
  await withClient({ ...target, readOnly: false }, limited, async (client) => {
    for (const [runId, marks] of runs) {
      const entries = await readWhole(home, runId);
      const summary = entries && summarise(entries, active.has(runId));
      if (entries === undefined || summary === undefined) continue;
      const fits = await client.transaction(() => copyRun(client, summary, entries));
      if (!fits) odd.push(runId);
      else if (summary.finishedAt !== null) await removeMarks(home, marks);
    }
    odd.push(...(await changedSince(client, home, runs)));
  });
  return odd;
}

/** Of the newest runs, those whose journal no longer holds what was copied of it: its end is gone. */
async function changedSince(
  client: DatabaseClient,
  home: string,
  copied: ReadonlyMap<string, unknown>,
): Promise<string[]> {
  const newest = (await runIds(home)).slice(-comparedRuns).filter((id) => !copied.has(id));
  const stored = await client.query<{ id: string; entries: number; head: string }>(
    'SELECT run_id AS id, entries, head FROM maintenance.runbook_runs WHERE run_id = ANY ($1::text[])',
    [newest],
  );
  const changed: string[] = [];
  for (const { id, entries: known, head } of stored) {
    const entries = await readWhole(home, id);
    if (entries !== undefined && entries[known - 1]?.hash !== head) changed.push(id);
  }
  return changed;
}

/** Undefined for a damaged journal, which is not to overwrite a copy that may be whole. */
async function readWhole(home: string, runId: string): Promise<JournalEntry[] | undefined> {
  try {
    return (await readJournal(home, runId)).entries;
  } catch (error) {
    if (!isOperatorError(error)) throw error;
    return undefined;
  }
}

/** False, and nothing written, when the entries that are there are not those of the journal. */
async function copyRun(
  client: DatabaseClient,
  run: RunSummary,
  entries: readonly JournalEntry[],
): Promise<boolean> {
  const [stored] = await client.query<{ entries: number; head: string }>(
    'SELECT entries, head FROM maintenance.runbook_runs WHERE run_id = $1 FOR UPDATE',
    [run.runId],
  );
  const known = stored?.entries ?? 0;
  if (stored !== undefined && entries[known - 1]?.hash !== stored.head) return false;
  await upsertRun(client, run);
  for (let from = known; from < entries.length; from += batchSize) {
    await insertEntries(client, run.runId, entries.slice(from, from + batchSize));
  }
  return true;
}

const upsertRun = (client: DatabaseClient, run: RunSummary) =>
  client.execute(
    `INSERT INTO maintenance.runbook_runs
       (run_id, runbook, title, state, reason, input, dry_run, incident, started_by, started_at,
        finished_at, plan_hash, definition, tool_version, entries, head)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
     ON CONFLICT (run_id) DO UPDATE SET
       state = excluded.state, reason = excluded.reason, finished_at = excluded.finished_at,
       plan_hash = excluded.plan_hash, entries = excluded.entries, head = excluded.head`,
    [
      run.runId,
      run.runbook,
      run.title,
      run.state,
      run.reason,
      JSON.stringify(run.input),
      run.dryRun,
      run.incident,
      JSON.stringify(run.by),
      run.startedAt,
      run.finishedAt,
      run.planHash,
      run.definition,
      run.tool,
      run.entries,
      run.head,
    ],
  );

const insertEntries = (client: DatabaseClient, runId: string, entries: readonly JournalEntry[]) =>
  client.execute(
    `INSERT INTO maintenance.runbook_events (run_id, seq, at, type, step, event, prev, hash)
     SELECT $1, seq, at, event ->> 'type', coalesce(event ->> 'step', event #>> '{result,id}'),
            event, prev, hash
     FROM unnest($2::integer[], $3::timestamptz[], $4::jsonb[], $5::text[], $6::text[])
            AS entry (seq, at, event, prev, hash)
     ON CONFLICT (run_id, seq) DO NOTHING`,
    [
      runId,
      entries.map(({ seq }) => seq),
      entries.map(({ at }) => at),
      entries.map(({ event }) => JSON.stringify(event)),
      entries.map(({ prev }) => prev),
      entries.map(({ hash }) => hash),
    ],
  );
