import type { IncidentsConfig } from '../config/incidents-schema.js';
import {
  type Calendar,
  calendarOf,
  endOf,
  parseSpan,
  passedBetween,
  type Span,
} from './calendar.js';
import { rank, type Severity, severities } from './severity.js';
import { type Cycle, cycleOf, type IncidentState, isOver, type Period } from './state.js';

export interface Level {
  respond: Span;
  resolve: Span;
  escalate: Span;
  chain: readonly string[];
}

/** The configuration's policy, read once. */
export interface Policy {
  calendar: Calendar;
  levels: Record<Severity, Level>;
  acknowledge: Span;
  /** Milliseconds between two status messages. */
  status: number;
}

const policies = new WeakMap<IncidentsConfig, Policy>();

/** The policy of a configuration; made once, for a list asks for it with every line. */
export function policyOf(config: IncidentsConfig): Policy {
  const known = policies.get(config) ?? readPolicy(config);
  policies.set(config, known);
  return known;
}

function readPolicy(config: IncidentsConfig): Policy {
  const calendar = calendarOf(config);
  const levels = Object.fromEntries(
    severities.map((severity) => {
      const { respond, resolve, escalate, chain } = config.levels[severity];
      const spans = { respond, resolve, escalate };
      const parsed = Object.entries(spans).map(([name, text]) => [name, parseSpan(text, calendar)]);
      return [severity, { ...Object.fromEntries(parsed), chain }];
    }),
  ) as Record<Severity, Level>;
  return {
    calendar,
    levels,
    acknowledge: { milliseconds: config.acknowledgeMinutes * 60_000, working: false },
    status: config.statusMinutes * 60_000,
  };
}

export type ClockName = 'respond' | 'resolve' | 'escalate';

export interface Clock {
  /** Null while the clock stands still (a pause), and where there is no level to measure by. */
  due: Date | null;
  /** When what it waits for happened. */
  metAt: Date | null;
  /** When its time ran out first, under the level of then; a later change does not undo it. */
  breachedAt: Date | null;
  /** Of the span, in milliseconds, until it is due; negative afterwards. Null without a level. */
  left: number | null;
  paused: boolean;
}

/**
 * One clock of one cycle, computed from what happened.
 *
 * It runs from the start of the cycle and stands still in pauses. A level's span counts from when
 * the incident was first at least that urgent, and the earliest of the level's and all lower ones'
 * ends holds: raising the severity never moves a deadline away, lowering it never costs a pause, and
 * changing it back and forth gains nothing.
 */
export function clockOf(name: ClockName, cycle: Cycle, policy: Policy, now: Date): Clock {
  const metAt = name === 'respond' ? cycle.respondedAt : cycle.resolvedAt;
  const stop = metAt !== null && metAt < now ? metAt : now;
  // Nobody pauses what has not been answered: a pause is an answer.
  const pauses = name === 'respond' ? [] : cycle.pauses;
  const run = { cycle, policy, pauses, name };
  const pause = pauses.at(-1);
  const paused = pause !== undefined && pause.until === null;
  const current = dueAfter(run, cycle.levels.length);
  return {
    due: current.due === undefined ? null : new Date(current.due),
    metAt,
    breachedAt: firstBreach(run, stop),
    left: leftOf(run, current.severity, stop),
    paused,
  };
}

interface Running {
  name: ClockName;
  cycle: Cycle;
  policy: Policy;
  pauses: readonly Period[];
}

/** From when on the incident was at least as urgent as a level, by its first `known` levels. */
function anchorOf(cycle: Cycle, known: number, severity: Severity): number | undefined {
  const found = cycle.levels
    .slice(0, known)
    .find((level) => level.severity !== null && rank(level.severity) <= rank(severity));
  return found?.at.getTime();
}

function dueAfter(
  run: Running,
  known: number,
): { due: number | undefined; severity: Severity | undefined } {
  const { cycle, policy, name } = run;
  const current = cycle.levels[known - 1]?.severity ?? null;
  let due: number | undefined;
  let decisive: Severity | undefined;
  for (const severity of severities) {
    const anchor = anchorOf(cycle, known, severity);
    if (current === null || rank(severity) < rank(current) || anchor === undefined) continue;
    decisive ??= severity;
    const span = policy.levels[severity][name];
    // No span ends before it would without pauses and nights: a calendar is not asked in vain.
    if (due !== undefined && anchor + span.milliseconds >= due) continue;
    const end = advance(anchor, span, run);
    if (end !== undefined && (due === undefined || end < due)) {
      due = end;
      decisive = severity;
    }
  }
  return { due, severity: decisive };
}

/** The stretches from an instant on in which the clock runs; the last may be endless. */
function* running(from: number, pauses: readonly Period[]): Generator<[number, number]> {
  let at = from;
  for (const pause of pauses) {
    const begin = pause.from.getTime();
    if (begin > at) yield [at, begin];
    if (pause.until === null) return;
    at = Math.max(at, pause.until.getTime());
  }
  yield [at, Number.POSITIVE_INFINITY];
}

/** Where a span ends; undefined when a pause holds it. */
function advance(
  from: number,
  span: Span,
  { pauses, policy: { calendar } }: Running,
): number | undefined {
  let left = span.milliseconds;
  for (const [begin, end] of running(from, pauses)) {
    if (end === Number.POSITIVE_INFINITY)
      return endOf(begin, { ...span, milliseconds: left }, calendar);
    const passed = passedBetween(begin, end, span.working, calendar);
    if (passed >= left) return endOf(begin, { ...span, milliseconds: left }, calendar);
    left -= passed;
  }
  return undefined;
}

function leftOf(run: Running, severity: Severity | undefined, stop: Date): number | null {
  const { cycle, policy, pauses, name } = run;
  const anchor =
    severity === undefined ? undefined : anchorOf(cycle, cycle.levels.length, severity);
  if (severity === undefined || anchor === undefined) return null;
  const { working, milliseconds } = policy.levels[severity][name];
  let passed = 0;
  for (const [begin, end] of running(anchor, pauses)) {
    passed += passedBetween(begin, Math.min(end, stop.getTime()), working, policy.calendar);
  }
  return milliseconds - passed;
}

/** The first time that the deadline of then passed before the clock was stopped. */
function firstBreach(run: Running, stop: Date): Date | null {
  const { levels } = run.cycle;
  for (const [index, level] of levels.entries()) {
    const until = Math.min(levels[index + 1]?.at.getTime() ?? stop.getTime(), stop.getTime());
    const { due } = dueAfter(run, index + 1);
    const breached = due === undefined ? undefined : Math.max(due, level.at.getTime());
    if (breached !== undefined && breached < until) return new Date(breached);
  }
  return null;
}

/** All clocks of an incident, in its present cycle. */
export interface Clocks {
  respond: Clock;
  resolve: Clock;
  escalate: Clock;
  /** When the next status message of a P1 is due. */
  nextStatusAt: Date | null;
  /** Whether any deadline was missed, in any cycle. */
  breached: boolean;
}

export function clocksOf(state: IncidentState, policy: Policy, now: Date): Clocks {
  const cycle = cycleOf(state);
  const clock = (name: ClockName, one = cycle) => clockOf(name, one, policy, now);
  const [respond, resolve] = [clock('respond'), clock('resolve')];
  const missed = ({ breachedAt }: Clock) => breachedAt !== null;
  const earlier = () =>
    state.cycles
      .slice(0, -1)
      .some((one) => missed(clock('respond', one)) || missed(clock('resolve', one)));
  return {
    respond,
    resolve,
    escalate: clock('escalate'),
    nextStatusAt: nextStatus(state, policy)?.at ?? null,
    breached: missed(respond) || missed(resolve) || earlier(),
  };
}

/**
 * The next status message: messages are due at whole multiples of the interval after the incident
 * became a P1, also while it is paused, until it is resolved.
 */
export function nextStatus(
  state: IncidentState,
  policy: Policy,
): { at: Date; since: Date } | undefined {
  if (isOver(state) || state.severity !== 'P1') return undefined;
  const { levels } = cycleOf(state);
  const lastOther = levels.findLastIndex(({ severity }) => severity !== 'P1');
  const since = levels[lastOther + 1]?.at;
  if (since === undefined) return undefined;
  const sent = state.statusWindows.filter(
    ({ cycle, at }) => cycle === state.cycles.length - 1 && at >= since,
  );
  const done = Math.max(0, ...sent.map(({ window }) => window));
  return { at: new Date(since.getTime() + (done + 1) * policy.status), since };
}

/** Number of the interval in which an instant lies; its message is sent once. */
export const statusWindow = (since: Date, now: Date, policy: Policy): number =>
  Math.floor((now.getTime() - since.getTime()) / policy.status);
