import { readdir } from 'node:fs/promises';
import { errorCode, isOperatorError } from '../../system/errors.js';
import type { Owner } from '../../system/owner.js';
import type { JsonObject } from './definition.js';
import type { JournalEntry, RunState } from './events.js';
import { isRunId, readJournal, runsDirectory } from './journal.js';
import { activeRuns } from './run-lock.js';

/** A run as its journal tells it. */
export interface RunSummary {
  runId: string;
  runbook: string;
  title: string;
  state: RunState;
  reason: string | null;
  /** When a run that waits for a time may go on; ISO 8601. */
  due: string | null;
  input: JsonObject;
  dryRun: boolean;
  incident: string | null;
  by: Owner;
  definition: string;
  tool: string;
  startedAt: string;
  finishedAt: string | null;
  /** Of wall time, from the first entry to the last. */
  seconds: number | null;
  planHash: string | null;
  entries: number;
  /** Hash of the last entry. */
  head: string;
}

/** Sums a journal up; undefined for one that holds no run yet. `active`: somebody works on it. */
export function summarise(
  entries: readonly JournalEntry[],
  active: boolean,
): RunSummary | undefined {
  const [first] = entries;
  const last = entries.at(-1);
  if (first?.event.type !== 'run.started' || last === undefined) return undefined;
  const { type: _type, ...started } = first.event;
  const ended = last.event.type === 'run.finished' ? last.event : undefined;
  const plan = entries.findLast(({ event }) => event.type === 'plan.made')?.event;
  return {
    ...started,
    state: ended?.state ?? (active ? 'running' : 'interrupted'),
    reason: ended?.reason ?? null,
    due: ended?.due ?? null,
    startedAt: first.at,
    finishedAt: ended === undefined ? null : last.at,
    seconds: ended === undefined ? null : (Date.parse(last.at) - Date.parse(first.at)) / 1000,
    planHash: plan?.type === 'plan.made' ? plan.hash : null,
    entries: entries.length,
    head: last.hash,
  };
}

/** `run_20260102_030405`: ids of runs that began in one second are in no order. */
const secondOf = (runId: string): string => runId.slice(0, runId.lastIndexOf('_'));

/** The runs of this state directory, newest first, up to `limit`; damaged ones by id. */
export async function listRuns(
  home: string,
  options: {
    now: Date;
    limit: number;
    incident?: string | undefined;
    /** Only those of which it is true. */
    of?: (run: RunSummary) => boolean;
  },
): Promise<{ runs: RunSummary[]; broken: string[] }> {
  const active = await activeRuns(home, options.now);
  const runs: RunSummary[] = [];
  const broken: string[] = [];
  let second = '';
  for (const runId of (await runIds(home)).toReversed()) {
    if (runs.length >= options.limit && secondOf(runId) !== second) break;
    second = secondOf(runId);
    try {
      const summary = summarise((await readJournal(home, runId)).entries, active.has(runId));
      if (summary === undefined) continue;
      const named = options.incident === undefined || summary.incident === options.incident;
      if (named && options.of?.(summary) !== false) runs.push(summary);
    } catch (error) {
      if (!isOperatorError(error) || error.code !== 'JOURNAL_BROKEN') throw error;
      broken.push(runId);
    }
  }
  runs.sort((a, b) => Date.parse(b.startedAt) - Date.parse(a.startedAt));
  return { runs: runs.slice(0, options.limit), broken };
}

/** Ids of all runs, oldest first by the second they began in. */
export async function runIds(home: string): Promise<string[]> {
  try {
    return (await readdir(runsDirectory(home)))
      .filter((name) => name.endsWith('.jsonl'))
      .map((name) => name.slice(0, -'.jsonl'.length))
      .filter(isRunId)
      .sort();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/**
 * One run with all of its entries, whose chain is whole.
 *
 * @throws RUN_NOT_FOUND (exit 2), JOURNAL_BROKEN (exit 1)
 */
export async function readRun(
  home: string,
  runId: string,
  now: Date,
): Promise<{ run: RunSummary | undefined; entries: JournalEntry[] }> {
  const { entries } = await readJournal(home, runId);
  return { run: summarise(entries, (await activeRuns(home, now)).has(runId)), entries };
}
