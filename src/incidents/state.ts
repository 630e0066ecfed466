import type {
  ActionItem,
  ChecklistItem,
  CureOfIncident,
  EscalationReason,
  LoggedEvent,
  Occurrence,
  Service,
  Source,
  Status,
} from './events.js';
import type { Severity } from './severity.js';

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

/** Before the first event has said anything. */
export const empty = (first: LoggedEvent): IncidentState => ({
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

export const newCycle = (start: Date, severity: Severity | null): Cycle => ({
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
