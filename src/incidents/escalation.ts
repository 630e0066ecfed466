import type { IncidentsConfig } from '../config/incidents-schema.js';
import { clockOf, nextStatus, type Policy, statusWindow } from './clocks.js';
import { contactsOf } from './contacts.js';
import { type EscalationReason, system } from './events.js';
import { cycleOf, type IncidentState, isOver } from './state.js';
import type { NewEvent } from './store.js';

/** How far up the chain people have been called in this cycle; 0 for nobody but who reports. */
function reached(state: IncidentState, chain: readonly string[]): number {
  const cycle = state.cycles.length - 1;
  const called = state.calls.filter((call) => call.cycle === cycle);
  return Math.max(0, ...called.map(({ role }) => chain.indexOf(role)));
}

interface Due {
  step: number;
  reason: EscalationReason;
}

/** Whom to call next, if it is time: the rules in the order in which they count. */
function dueCall(state: IncidentState, policy: Policy, now: Date): Due | undefined {
  if (isOver(state) || state.severity === null) return undefined;
  const { chain } = policy.levels[state.severity];
  const last = chain.length - 1;
  const index = state.cycles.length - 1;
  const calls = state.calls.filter(({ cycle }) => cycle === index);
  const latest = calls.at(-1);
  if (latest === undefined) return { step: Math.min(1, last), reason: 'opened' };
  const step = reached(state, chain);
  const cycle = cycleOf(state);
  // A new level has times of its own.
  const since = cycle.levels.at(-1)?.at ?? cycle.start;
  const timed = (reason: 'resolve' | 'time', clock: 'resolve' | 'escalate'): boolean => {
    if (calls.some((call) => call.reason === reason && call.at >= since)) return false;
    const { due } = clockOf(clock, cycle, policy, now);
    return due !== null && due <= now;
  };
  const next = Math.min(step + 1, last);
  if (timed('resolve', 'resolve')) return { step: next, reason: 'resolve' };
  if (timed('time', 'escalate')) return { step: next, reason: 'time' };
  const patience = latest.at.getTime() + policy.acknowledge.milliseconds;
  const silent = cycle.respondedAt === null && patience <= now.getTime();
  return silent && step < last ? { step: next, reason: 'unacknowledged' } : undefined;
}

/** The event of a call, with who is called now. */
function callEvent(
  state: IncidentState,
  { step, reason }: Due,
  context: { policy: Policy; config: IncidentsConfig; now: Date; by: string },
): NewEvent | undefined {
  if (state.severity === null) return undefined;
  const role = context.policy.levels[state.severity].chain[step];
  if (role === undefined) return undefined;
  const contacts = contactsOf(role, context.now, context.config).map(({ name }) => name);
  return {
    at: context.now,
    by: context.by,
    key: `call:${state.calls.length}`,
    event: { type: 'escalated', step, role, contacts, reason },
  };
}

/** The next call that is due by itself; undefined when none is. */
export function nextCall(
  state: IncidentState,
  policy: Policy,
  config: IncidentsConfig,
  now: Date,
): NewEvent | undefined {
  const due = dueCall(state, policy, now);
  return due && callEvent(state, due, { policy, config, now, by: system });
}

/** A call that a person asks for: the next of the chain, or its last once more. */
export function callByPerson(
  state: IncidentState,
  context: { policy: Policy; config: IncidentsConfig; now: Date; by: string },
): NewEvent | undefined {
  if (state.severity === null) return undefined;
  const { chain } = context.policy.levels[state.severity];
  const step = Math.min(reached(state, chain) + 1, chain.length - 1);
  return callEvent(state, { step, reason: 'person' }, context);
}

/** The status message of a P1 that is due; one for the present interval, however many were missed. */
export function nextStatusEvent(
  state: IncidentState,
  policy: Policy,
  now: Date,
): NewEvent | undefined {
  const next = nextStatus(state, policy);
  if (next === undefined || next.at > now) return undefined;
  const window = statusWindow(next.since, now, policy);
  return {
    at: now,
    by: system,
    key: `status:${next.since.toISOString()}:${window}`,
    event: { type: 'status', text: statusText(state), window },
  };
}

function statusText(state: IncidentState): string {
  const { respondedBy, respondedAt } = cycleOf(state);
  const answered =
    respondedAt === null ? 'nobody has acknowledged it' : `acknowledged by ${respondedBy}`;
  const owner = state.owner === null ? 'no owner' : `owner ${state.owner}`;
  const gone = [...state.findings.values()].every((active) => !active) && state.findings.size > 0;
  return `${state.status}; ${answered}; ${owner}${gone ? '; the symptom is gone' : ''}`;
}
