import type { Severity } from './severity.js';
import { cycleOf, type IncidentState, newCycle } from './state.js';

/** A new cycle, with clocks of its own; what was before stays as it was. */
export function begin(state: IncidentState, at: Date): void {
  state.cycles.push(newCycle(at, state.severity));
  state.status = 'open';
  state.closedAt = null;
  state.checklist = [];
}

/** The first answer counts; nothing overwrites it. */
export function respond(state: IncidentState, at: Date, by: string): void {
  const cycle = cycleOf(state);
  if (cycle.respondedAt !== null) return;
  cycle.respondedAt = at;
  cycle.respondedBy = by;
}

export function proceed(state: IncidentState, at: Date): void {
  const pause = cycleOf(state).pauses.at(-1);
  if (pause !== undefined) pause.until ??= at;
  if (state.status === 'paused') state.status = 'acknowledged';
}

export function setSeverity(state: IncidentState, at: Date, severity: Severity | null): void {
  state.severity = severity;
  cycleOf(state).levels.push({ at, severity });
}

export function resolve(state: IncidentState, at: Date, by: string): void {
  proceed(state, at);
  respond(state, at, by);
  cycleOf(state).resolvedAt ??= at;
  state.status = 'resolved';
}

export function close(state: IncidentState, at: Date, by: string): void {
  resolve(state, at, by);
  state.status = 'closed';
  state.closedAt = at;
}
