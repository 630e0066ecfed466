import type {
  CommandOfIncident,
  PipelineRunOfIncident,
  RunOfIncident,
} from '../incidents/postmortem.js';
import type { Incident, IncidentStore } from '../incidents/store.js';
import type { CopiedRun } from '../runbooks/engine/copies.js';
import type { Runbook } from '../runbooks/engine/definition.js';
import type { JournalEntry } from '../runbooks/engine/events.js';
import type { RunSummary } from '../runbooks/engine/history.js';
import { isOperatorError } from '../system/errors.js';
import type { CommandContext } from './context.js';
import { cureText } from './incident-text.js';

type Entries = readonly Pick<JournalEntry, 'at' | 'event'>[];

interface KnownRun {
  run: Omit<CopiedRun, 'entries'>;
  entries: Entries;
}

/**
 * The runbooks that ran for an incident, the oldest first: from the journals of this machine, and
 * from the copies that other machines left in the database. Of a run that is known from both, the
 * fuller one counts.
 */
export async function runsOfIncident(
  context: CommandContext,
  { client }: IncidentStore,
  { id, state }: Incident,
): Promise<RunOfIncident[]> {
  const names = [String(id), `#${id}`];
  // Those that were added afterwards, and those whose failure opened it.
  const linked = [
    ...state.runs.map(({ runId }) => runId),
    ...state.occurrences.flatMap(({ source, runId }) => (source === 'runbook' && runId) || []),
  ];
  const { copiedRuns, copiedEntries } = await import('../runbooks/engine/copies.js');
  const known = await localRuns(context, names, linked);
  for (const run of await copiedRuns(client, { incidents: names, runIds: linked })) {
    if ((known.get(run.runId)?.entries.length ?? 0) >= run.entries) continue;
    known.set(run.runId, { run, entries: await copiedEntries(client, run.runId) });
  }
  const runs: RunOfIncident[] = [];
  for (const { run, entries } of known.values()) {
    const runbook = await definitionOf(context, run);
    runs.push({
      runId: run.runId,
      runbook: run.runbook,
      title: run.title,
      state: run.state,
      by: run.by.user,
      host: run.by.host,
      startedAt: run.startedAt,
      finishedAt: run.finishedAt,
      commands: commandsOf(run, entries, runbook),
      ...partsOf(entries),
    });
  }
  return runs.sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
}

/** The runs of the pipeline that it tells of, and those of its batch until it was closed. */
export async function pipelineRunsOf(
  { client, now }: IncidentStore,
  { state }: Incident,
): Promise<PipelineRunOfIncident[]> {
  const { runsOfSpan } = await import('../pipeline/history.js');
  const runs = await runsOfSpan(client, {
    runIds: state.occurrences.flatMap(({ source, runId }) => (source !== 'runbook' && runId) || []),
    batchId: state.batchId,
    from: state.openedAt,
    until: state.closedAt ?? now(),
  });
  return runs.map(({ runId, batchId, command, status, stages, ...run }) => ({
    ...{ runId, batchId, command, status },
    from: stages[0]?.stage ?? null,
    by: run.owner.user,
    startedAt: run.startedAt,
    seconds: run.seconds,
    error: run.errorMessage,
  }));
}

async function localRuns(
  context: CommandContext,
  names: readonly string[],
  linked: readonly string[],
): Promise<Map<string, KnownRun>> {
  const { listRuns, readRun } = await import('../runbooks/engine/history.js');
  const { home, now } = context;
  const { runs, broken } = await listRuns(home, {
    now: now(),
    limit: Number.POSITIVE_INFINITY,
    of: ({ runId, incident }: RunSummary) =>
      linked.includes(runId) || (incident !== null && names.includes(incident)),
  });
  for (const runId of broken) {
    context.warn(`The journal of run ${runId} is damaged; whether it belongs here is not known.`);
  }
  const known = new Map<string, KnownRun>();
  for (const run of runs) {
    const { entries } = await readRun(home, run.runId, now());
    known.set(run.runId, { run, entries });
  }
  return known;
}

/** As it was run; undefined when it is gone or was edited since. */
async function definitionOf(
  context: CommandContext,
  { runbook: id, definition }: KnownRun['run'],
): Promise<Runbook | undefined> {
  const [{ findRunbook }, { definitionHash }] = await Promise.all([
    import('./runbook-catalogue.js'),
    import('../runbooks/engine/fingerprint.js'),
  ]);
  try {
    const runbook = await findRunbook(context, id);
    return definitionHash(runbook, context.tool.version) === definition ? runbook : undefined;
  } catch (error) {
    if (isOperatorError(error)) return undefined;
    throw error;
  }
}

/** What was typed to run it, and what each step that did something stands for. */
function commandsOf(
  run: KnownRun['run'],
  entries: Entries,
  runbook: Runbook | undefined,
): CommandOfIncident[] {
  const input = runbook?.inputs.safeParse(run.input);
  const flags = [
    ...(run.incident === null ? [] : [`--incident ${run.incident}`]),
    ...(run.dryRun ? ['--dry-run'] : []),
  ];
  const started = [cureText({ id: run.runbook, input: run.input }), ...flags].join(' ');
  return entries.flatMap(({ at, event }): CommandOfIncident[] => {
    switch (event.type) {
      case 'run.started':
        return [{ at, by: run.by.user, command: started, outcome: `run ${run.runId}` }];
      case 'run.resumed': {
        const command = `reviewops runbook resume ${run.runId}`;
        return [{ at, by: event.by.user, command, outcome: '' }];
      }
      case 'step.finished': {
        const { id, kind, state, summary } = event.result;
        const step = runbook?.steps.find((one) => one.id === id);
        const did = (kind === 'act' || kind === 'manual') && state !== 'skipped';
        if (!did || step === undefined || input?.success !== true) return [];
        const outcome = `stands for step ${id}: ${state}. ${summary}`;
        return [{ at, by: run.by.user, command: step.manual(input.data), outcome }];
      }
      default:
        return [];
    }
  });
}

function partsOf(entries: Entries): Pick<RunOfIncident, 'steps' | 'approvals' | 'notes'> {
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
