import { applyColumns } from './by-hand.js';
import type { IncidentEvent, LoggedEvent, Occurrence } from './events.js';
import { begin, close, proceed, resolve, respond, setSeverity } from './lifecycle.js';
import { cycleOf, empty, type IncidentState, newCycle } from './state.js';

/** Replays the events, in the order of their numbers; undefined without any. */
export function replay(events: readonly LoggedEvent[]): IncidentState | undefined {
  const [first] = events;
  if (first === undefined) return undefined;
  const state = empty(first);
  for (const logged of events) apply(state, logged);
  return state;
}

/** Adds what one event means. */
export function apply(state: IncidentState, logged: LoggedEvent): void {
  const { at, by, event } = logged;
  state.seq = logged.seq;
  if (at > state.changedAt) state.changedAt = at;
  switch (event.type) {
    case 'opened':
      open(state, at, event);
      return;
    case 'recorded':
    case 'edited':
      applyColumns(state, at, by, event.columns);
      return;
    case 'occurred':
      occur(state, at, event);
      return;
    case 'recovered':
      state.findings.set(event.check, false);
      return;
    case 'reopened':
      reopen(state, at, event);
      return;
    case 'acknowledged':
      respond(state, at, by);
      if (state.status === 'open') state.status = 'acknowledged';
      return;
    case 'assigned':
      state.owner = event.owner;
      return;
    case 'paused':
      respond(state, at, by);
      state.status = 'paused';
      cycleOf(state).pauses.push({ from: at, until: null });
      return;
    case 'continued':
      proceed(state, at);
      return;
    case 'severity.changed':
      setSeverity(state, at, event.severity);
      return;
    case 'resolved':
      state.rootCause = event.rootCause ?? state.rootCause;
      state.action = event.action ?? state.action;
      resolve(state, at, by);
      return;
    case 'closed':
      state.rootCause = event.rootCause ?? state.rootCause;
      state.action = event.action ?? state.action;
      state.checklist = event.checklist;
      close(state, at, by);
      return;
    default:
      applyBeside(state, logged, event);
      return;
  }
}

type Beside = Exclude<
  IncidentEvent,
  {
    type:
      | 'opened'
      | 'recorded'
      | 'edited'
      | 'occurred'
      | 'recovered'
      | 'reopened'
      | 'acknowledged'
      | 'assigned'
      | 'paused'
      | 'continued'
      | 'severity.changed'
      | 'resolved'
      | 'closed';
  }
>;

/** What stands beside the life of the ticket itself. */
function applyBeside(state: IncidentState, { at, by }: LoggedEvent, event: Beside): void {
  switch (event.type) {
    case 'noted':
      return;
    case 'merged':
      close(state, at, by);
      state.status = 'merged';
      state.mergedInto = event.into;
      return;
    case 'absorbed':
      state.absorbed.push(event.from);
      return;
    case 'escalated': {
      const { step, role, contacts, reason } = event;
      state.calls.push({ at, step, role, contacts, reason, cycle: state.cycles.length - 1 });
      return;
    }
    case 'status':
      state.statusWindows.push({ at, window: event.window, cycle: state.cycles.length - 1 });
      return;
    case 'review.due':
      state.reviewDue = true;
      return;
    case 'runbook': {
      const { runId, runbook, state: ended, summary } = event;
      const known = state.runs.find((run) => run.runId === runId);
      if (known === undefined) state.runs.push({ runId, runbook, state: ended, summary, at, by });
      else Object.assign(known, { state: ended, summary });
      return;
    }
    case 'action.added': {
      const { item, text, owner, due } = event;
      state.followUps.push({ item, text, owner, due, doneAt: null });
      return;
    }
    case 'action.done': {
      const found = state.followUps.find(({ item }) => item === event.item);
      if (found !== undefined) found.doneAt ??= at;
      return;
    }
    case 'linked': {
      const { tracker, id, url } = event;
      state.links.push({ tracker, id, url });
      return;
    }
  }
}

function open(state: IncidentState, at: Date, event: Occurrence & { uid: string }): void {
  state.uid = event.uid;
  state.openedAt = at;
  state.severity = event.severity;
  state.summary = event.summary;
  state.source = event.source;
  state.cause = event.cause ?? null;
  state.cycles = [newCycle(at, event.severity)];
  occur(state, at, event);
}

function occur(
  state: IncidentState,
  at: Date,
  event: Partial<Occurrence> & { summary: string },
): void {
  state.occurrences.push({ ...event, at });
  state.service ??= event.service ?? null;
  state.batchId ??= event.batchId ?? null;
  if (event.check !== undefined) state.findings.set(event.check, true);
  const { runbook } = event;
  const known = state.cures.some((cure) => JSON.stringify(cure) === JSON.stringify(runbook));
  if (runbook !== undefined && !known) state.cures.push(runbook);
}

function reopen(
  state: IncidentState,
  at: Date,
  event: { reason: string } & Partial<Occurrence>,
): void {
  begin(state, at);
  const { reason, summary, ...occurrence } = event;
  if (summary !== undefined) occur(state, at, { ...occurrence, summary });
}
