import type {
  ActionItem,
  ChecklistItem,
  CureOfIncident,
  EscalationReason,
  IncidentEvent,
  LoggedEvent,
  Occurrence,
  Service,
  Source,
  Status,
} from './events.js';
import { type Severity, severityByHand } from './severity.js';

export interface Period {
  from: Date;
  /** Null while it lasts. */
  until: Date | null;
}

/** From when it was opened, or came back, to when it was resolved. */
export interface Cycle {
  start: Date;
  respondedAt: Date | null;
  respondedBy: string | null;
  resolvedAt: Date | null;
  pauses: Period[];
  /** The level from each instant on; the first is that of the start. */
  levels: { at: Date; severity: Severity | null }[];
}

export interface Call {
  at: Date;
  step: number;
  role: string;
  contacts: readonly string[];
  reason: EscalationReason;
  /** Of which cycle. */
  cycle: number;
}

export interface FollowUp extends ActionItem {
  doneAt: Date | null;
}

export interface LinkedRun {
  runId: string;
  runbook: string;
  state: string;
  summary: string;
  at: Date;
  by: string;
}

/** An incident as its events tell it. */
export interface IncidentState {
  /** Of the ticket, for channels and trackers; empty for one that was written by hand. */
  uid: string;
  status: Status;
  severity: Severity | null;
  summary: string;
  owner: string | null;
  source: Source;
  cause: string | null;
  service: Service | null;
  batchId: string | null;
  openedAt: Date;
  /** Who opened it. */
  openedBy: string;
  closedAt: Date | null;
  rootCause: string | null;
  action: string | null;
  checklist: readonly ChecklistItem[];
  cycles: Cycle[];
  occurrences: (Partial<Occurrence> & { at: Date; summary: string })[];
  /** Checks that found something, and whether they still do. */
  findings: Map<string, boolean>;
  cures: CureOfIncident[];
  calls: Call[];
  /** Numbers of the status messages that were sent, in this cycle. */
  statusWindows: { at: Date; window: number; cycle: number }[];
  reviewDue: boolean;
  followUps: FollowUp[];
  links: { tracker: string; id: string; url: string | null }[];
  mergedInto: number | null;
  absorbed: number[];
  runs: LinkedRun[];
  /** Of the last event. */
  changedAt: Date;
  seq: number;
}

const empty = (first: LoggedEvent): IncidentState => ({
  uid: '',
  status: 'open',
  severity: null,
  summary: '',
  owner: null,
  source: 'hand',
  cause: null,
  service: null,
  batchId: null,
  openedAt: first.at,
  openedBy: first.by,
  closedAt: null,
  rootCause: null,
  action: null,
  checklist: [],
  cycles: [newCycle(first.at, null)],
  occurrences: [],
  findings: new Map(),
  cures: [],
  calls: [],
  statusWindows: [],
  reviewDue: false,
  followUps: [],
  links: [],
  mergedInto: null,
  absorbed: [],
  runs: [],
  changedAt: first.at,
  seq: first.seq,
});

const newCycle = (start: Date, severity: Severity | null): Cycle => ({
  start,
  respondedAt: null,
  respondedBy: null,
  resolvedAt: null,
  pauses: [],
  levels: [{ at: start, severity }],
});

export const cycleOf = (state: IncidentState): Cycle => {
  const cycle = state.cycles.at(-1);
  if (cycle === undefined) throw new Error('An incident has at least one cycle.');
  return cycle;
};

export const isOver = ({ status }: Pick<IncidentState, 'status'>): boolean =>
  status === 'resolved' || status === 'closed' || status === 'merged';

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

/** A new cycle, with clocks of its own; what was before stays as it was. */
function begin(state: IncidentState, at: Date): void {
  state.cycles.push(newCycle(at, state.severity));
  state.status = 'open';
  state.closedAt = null;
  state.checklist = [];
}

/** The first answer counts; nothing overwrites it. */
function respond(state: IncidentState, at: Date, by: string): void {
  const cycle = cycleOf(state);
  if (cycle.respondedAt !== null) return;
  cycle.respondedAt = at;
  cycle.respondedBy = by;
}

function proceed(state: IncidentState, at: Date): void {
  const pause = cycleOf(state).pauses.at(-1);
  if (pause !== undefined) pause.until ??= at;
  if (state.status === 'paused') state.status = 'acknowledged';
}

function setSeverity(state: IncidentState, at: Date, severity: Severity | null): void {
  state.severity = severity;
  cycleOf(state).levels.push({ at, severity });
}

function resolve(state: IncidentState, at: Date, by: string): void {
  proceed(state, at);
  respond(state, at, by);
  cycleOf(state).resolvedAt ??= at;
  state.status = 'resolved';
}

function close(state: IncidentState, at: Date, by: string): void {
  resolve(state, at, by);
  state.status = 'closed';
  state.closedAt = at;
}

const textOf = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' ? value : null;

/** What somebody wrote into the table. */
function applyColumns(
  state: IncidentState,
  at: Date,
  by: string,
  columns: Record<string, unknown>,
): void {
  if ('summary' in columns) state.summary = textOf(columns.summary) ?? '';
  if ('owner' in columns) state.owner = textOf(columns.owner);
  if ('batch_id' in columns) state.batchId = textOf(columns.batch_id);
  if ('root_cause' in columns) state.rootCause = textOf(columns.root_cause);
  if ('action_taken' in columns) state.action = textOf(columns.action_taken);
  if ('severity' in columns) setSeverity(state, at, severityByHand(columns.severity));
  const wanted = statusByHand(columns);
  if (wanted !== undefined && wanted !== state.status) setStatus(state, at, by, wanted);
}

function setStatus(state: IncidentState, at: Date, by: string, status: Status): void {
  if (status === 'closed') {
    close(state, at, by);
    return;
  }
  if (status === 'resolved') {
    resolve(state, at, by);
    return;
  }
  if (isOver(state)) begin(state, at);
  proceed(state, at);
  if (status === 'open') {
    state.status = 'open';
    return;
  }
  respond(state, at, by);
  state.status = status;
  if (status === 'paused') cycleOf(state).pauses.push({ from: at, until: null });
}

/** The words of `maintenance.incident_status`. */
const byHand: Record<string, Status> = {
  open: 'open',
  new: 'open',
  acknowledged: 'acknowledged',
  'in progress': 'acknowledged',
  assigned: 'acknowledged',
  paused: 'paused',
  'on hold': 'paused',
  resolved: 'resolved',
  fixed: 'resolved',
  closed: 'closed',
  cancelled: 'closed',
  done: 'closed',
  merged: 'closed',
};

/** Undefined where the columns say nothing of it. */
function statusByHand(columns: Record<string, unknown>): Status | undefined {
  const word = textOf(columns.status)?.trim().toLowerCase().replaceAll('_', ' ');
  const named = word === undefined ? undefined : (byHand[word] ?? 'open');
  if (textOf(columns.closed_at) !== null && named !== 'resolved') return 'closed';
  if (named !== undefined) return named;
  return columns.closed_at === null && !('incident_id' in columns) ? 'open' : undefined;
}
