import { refused } from '../../system/errors.js';
import type { Json } from './definition.js';
import type { JournalEntry, RunEvent, RunState } from './events.js';
import { emptyMemory, type RunMemory, remember } from './memory.js';
import { planHash } from './plan.js';

export type Started = Extract<RunEvent, { type: 'run.started' }>;

/** What a journal proves of a run. */
export interface RestoredRun {
  started: Started;
  memory: RunMemory;
}

/**
 * Folds a journal into what a resumed run starts from.
 *
 * @throws RUN_ENDED, RUNBOOK_EDITED (both exit 3, nothing changed)
 */
export function restore(
  entries: readonly JournalEntry[],
  definition: string,
  toolVersion: string,
): RestoredRun {
  const started = startOf(entries);
  const last = entries.at(-1)?.event;
  if (last?.type === 'run.finished' && !resumable.has(last.state)) {
    throw refused('RUN_ENDED', `Run ${started.runId} has ended: ${last.state}.`, {
      hint: `Start a new one: reviewops runbook run ${started.runbook}`,
    });
  }
  if (started.definition !== definition) {
    const what =
      started.tool === toolVersion
        ? 'has been edited'
        : `is another one (reviewops ${started.tool} then, ${toolVersion} now)`;
    throw refused(
      'RUNBOOK_EDITED',
      `Runbook ${started.runbook} ${what} since run ${started.runId} began; its position means nothing in the new text.`,
      { hint: `Start a new run: reviewops runbook run ${started.runbook}` },
    );
  }
  const memory = emptyMemory();
  for (const { event } of entries) remember(memory, event);
  const { plan } = memory;
  if (plan !== undefined && planHash(definition, started.input as Json, plan.plan) !== plan.hash) {
    throw refused('PLAN_CHANGED', `The plan in the journal of run ${started.runId} is not whole.`, {
      hint: `Start a new run: reviewops runbook run ${started.runbook}`,
    });
  }
  return { started, memory };
}

/** The beginning of a run; a journal that a crash cut short before it holds nothing. */
export function startOf(entries: readonly JournalEntry[]): Started {
  const started = entries[0]?.event;
  if (started?.type === 'run.started') return started;
  throw refused('RUN_ENDED', 'The journal of this run has no beginning; nothing was changed.', {
    hint: 'Start a new run.',
  });
}

const resumable: ReadonlySet<RunState> = new Set(['waiting', 'interrupted', 'failed']);
