import type { Status } from './events.js';
import { begin, close, proceed, resolve, respond, setSeverity } from './lifecycle.js';
import { severityByHand } from './severity.js';
import { cycleOf, type IncidentState, isOver } from './state.js';

const textOf = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' ? value : null;

/** What somebody wrote into the table. */
export function applyColumns(
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
