import type { RunOfIncident } from '../incidents/postmortem.js';
import type { JournalEntry } from '../runbooks/engine/events.js';
import type { CommandContext } from './context.js';

/** The runbooks that ran for an incident on this machine, from their journals, the oldest first. */
export async function runsOfIncident(
  { home, now }: Pick<CommandContext, 'home' | 'now'>,
  id: number,
): Promise<RunOfIncident[]> {
  const { listRuns, readRun } = await import('../runbooks/engine/history.js');
  const limit = 1_000;
  const found = await Promise.all(
    [String(id), `#${id}`].map((incident) => listRuns(home, { now: now(), limit, incident })),
  );
  const runs: RunOfIncident[] = [];
  for (const { runId } of found.flatMap((list) => list.runs)) {
    const { run, entries } = await readRun(home, runId, now());
    if (run === undefined) continue;
    runs.push({
      runId,
      runbook: run.runbook,
      title: run.title,
      state: run.state,
      by: run.by.user,
      startedAt: run.startedAt,
      finishedAt: run.finishedAt,
      ...partsOf(entries),
    });
  }
  return runs.sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
}

function partsOf(
  entries: readonly JournalEntry[],
): Pick<RunOfIncident, 'steps' | 'approvals' | 'notes'> {
  const parts: Pick<RunOfIncident, 'steps' | 'approvals' | 'notes'> = {
    steps: [],
    approvals: [],
    notes: [],
  };
  for (const { event } of entries) {
    if (event.type === 'step.finished') {
      const { id, kind, state, summary } = event.result;
      parts.steps.push({ id, kind, state, summary });
    } else if (event.type === 'approval.given') {
      parts.approvals.push({ by: event.by, how: event.how });
    } else if (event.type === 'note') parts.notes.push({ by: event.by, text: event.text });
    else if (event.type === 'manual.recorded') {
      parts.notes.push({ by: event.by, text: event.said });
    }
  }
  return parts;
}
