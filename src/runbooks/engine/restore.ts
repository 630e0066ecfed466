import { refused } from '../../system/errors.js';
import { describeOwner, ownerState } from '../../system/owner.js';
import type { GivenApproval } from './approval.js';
import type { StepResult } from './definition.js';
import type { JournalEntry, RunEvent, RunState } from './events.js';
import type { Plan } from './plan.js';

type Started = Extract<RunEvent, { type: 'run.started' }>;

/** What a journal proves of a run. */
export interface RestoredRun {
  started: Started;
  results: Record<string, StepResult>;
  plan: { hash: string; plan: Plan } | undefined;
  approvals: GivenApproval[];
  /** Acts that began, whether or not they ended: each is probed before it is run again. */
  actsStarted: Set<string>;
}

/**
 * Folds a journal into what a resumed run starts from.
 *
 * @throws RUN_ENDED, RUN_ACTIVE, RUNBOOK_EDITED (all exit 3, nothing changed)
 */
export function restore(entries: readonly JournalEntry[], definition: string): RestoredRun {
  const started = entries[0]?.event;
  if (started?.type !== 'run.started') {
    throw refused(
      'RUN_ENDED',
      'The journal of this run has no beginning; there is nothing to resume.',
    );
  }
  refuseUnresumable(entries, started, definition);
  const run: RestoredRun = {
    started,
    results: {},
    plan: undefined,
    approvals: [],
    actsStarted: new Set(),
  };
  for (const { event } of entries) {
    switch (event.type) {
      case 'step.started':
        if (event.kind === 'act') run.actsStarted.add(event.step);
        break;
      case 'step.finished':
        run.results[event.result.id] = event.result;
        break;
      case 'plan.made':
        run.plan = { hash: event.hash, plan: event.plan };
        break;
      case 'approval.given':
        run.approvals.push({ step: event.step, by: event.by, plan: event.plan });
        break;
      default:
        break;
    }
  }
  return run;
}

const resumable: ReadonlySet<RunState> = new Set(['waiting', 'interrupted', 'failed']);

function refuseUnresumable(
  entries: readonly JournalEntry[],
  started: Started,
  definition: string,
): void {
  const { runId } = started;
  const last = entries.at(-1)?.event;
  if (last?.type === 'run.finished') {
    if (!resumable.has(last.state)) {
      throw refused('RUN_ENDED', `Run ${runId} has ended: ${last.state}.`, {
        hint: `Start a new one: reviewops runbook run ${started.runbook}`,
      });
    }
  } else {
    const owner = ownerOf(entries);
    if (ownerState(owner) !== 'gone') {
      throw refused('RUN_ACTIVE', `Run ${runId} is being worked on by ${describeOwner(owner)}.`, {
        hint: 'Wait for it, or stop it there with Ctrl-C first.',
      });
    }
  }
  if (started.definition !== definition) {
    throw refused(
      'RUNBOOK_EDITED',
      `Runbook ${started.runbook} has been edited since run ${runId} began; its position means nothing in the new text.`,
      { hint: `Start a new run: reviewops runbook run ${started.runbook}` },
    );
  }
}

/** The process that works, or worked last, on the run. */
export function ownerOf(entries: readonly JournalEntry[]): Started['by'] {
  for (const { event } of entries.toReversed()) {
    if (event.type === 'run.started' || event.type === 'run.resumed') return event.by;
  }
  throw new Error('A journal without a start has no owner.');
}
