import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { calendarOf, endOf, parseSpan, passedBetween } from '../../src/incidents/calendar.js';
import { type ClockName, clockOf, clocksOf, policyOf } from '../../src/incidents/clocks.js';
import type { IncidentEvent, LoggedEvent } from '../../src/incidents/events.js';
import { type Severity, severities } from '../../src/incidents/severity.js';
import { type Cycle, cycleOf, type IncidentState } from '../../src/incidents/state.js';
import { replay } from '../../src/incidents/timeline.js';

const config = configSchema.parse({
  incidents: { timeZone: 'Europe/Paris', holidays: ['2026-12-25'] },
}).incidents;
const policy = policyOf(config);
const paris = calendarOf(config);
const at = (text: string) => new Date(`${text}Z`);
const minutes = (count: number) => count * 60_000;

/** An incident whose events happen so many minutes after it was opened. */
function incident(
  severity: Severity,
  start: string,
  ...steps: [minutesLater: number, event: IncidentEvent][]
): IncidentState {
  const opened: IncidentEvent = {
    type: 'opened',
    uid: 'u',
    source: 'person',
    summary: 'x',
    severity,
  };
  const events: LoggedEvent[] = [[0, opened] as const, ...steps].map(([later, event], seq) => ({
    seq,
    at: new Date(at(start).getTime() + minutes(later)),
    by: 'ada',
    event,
  }));
  const state = replay(events);
  if (state === undefined) throw new Error('An incident has events.');
  return state;
}

const due = (name: ClockName, state: IncidentState, now: string) =>
  clockOf(name, cycleOf(state), policy, at(now)).due?.toISOString().slice(0, 16);

const level = (severity: Severity): IncidentEvent => ({
  type: 'severity.changed',
  severity,
  reason: 'r',
});
const pause: IncidentEvent = { type: 'paused', reason: 'r' };
const proceed: IncidentEvent = { type: 'continued' };

describe('the policy', () => {
  it.each([
    ['P1', '2026-11-20T10:15', '2026-11-20T14:00', '2026-11-20T10:00'],
    ['P2', '2026-11-20T11:00', '2026-11-20T18:00', '2026-11-20T12:00'],
    ['P3', '2026-11-20T14:00', '2026-11-22T10:00', '2026-11-21T10:00'],
    // Opened on a Friday at 11:00 in Paris: one working day later it is Monday, 11:00.
    ['P4', '2026-11-23T10:00', '2026-11-25T10:00', '2026-11-27T10:00'],
  ] as const)('%s', (severity, respond, resolve, escalate) => {
    const state = incident(severity, '2026-11-20T10:00:00');
    const now = '2026-11-20T10:00:00';
    expect([
      due('respond', state, now),
      due('resolve', state, now),
      due('escalate', state, now),
    ]).toEqual([respond, resolve, escalate]);
  });
});

describe('working time', () => {
  const end = (start: string, span: string) =>
    new Date(endOf(at(start).getTime(), parseSpan(span, paris), paris)).toISOString().slice(0, 16);

  it.each([
    ['over a weekend', '2026-11-20T15:00:00', '2wh', '2026-11-23T09:00'],
    ['from the night', '2026-11-20T02:00:00', '1wd', '2026-11-20T16:00'],
    ['over a holiday', '2026-12-24T15:00:00', '2wh', '2026-12-28T09:00'],
    // The clocks of Paris go back on 25 October: 9 o'clock is 7:00 UTC before and 8:00 after.
    ['over the end of summer time', '2026-10-23T14:00:00', '2wh', '2026-10-26T09:00'],
    ['over the begin of summer time', '2026-03-27T15:00:00', '2wh', '2026-03-30T08:00'],
  ])('%s', (_, start, span, expected) => {
    expect(end(start, span)).toBe(expected);
  });

  it('is as long as was asked for, wherever it begins', () => {
    const starts = fc.integer({
      min: at('2026-01-01T00:00:00').getTime(),
      max: at('2027-12-31T00:00:00').getTime(),
    });
    fc.assert(
      fc.property(
        starts,
        fc.integer({ min: 1, max: 40 * 60 }),
        fc.constantFrom('UTC', 'Europe/Paris', 'America/New_York', 'Asia/Kolkata', 'Pacific/Apia'),
        (start, length, timeZone) => {
          const calendar = { ...paris, timeZone };
          const span = { milliseconds: minutes(length), working: true };
          const over = endOf(start, span, calendar);
          expect(passedBetween(start, over, true, calendar)).toBe(span.milliseconds);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('pauses and changes of the level', () => {
  it('keeps a pause when the level changes', () => {
    const steps = [
      [10, pause],
      [70, proceed],
      [80, level('P1')],
    ] as [number, IncidentEvent][];
    const state = incident('P2', '2026-11-20T10:00:00', ...steps);
    // P1 counts from 11:20, and the hour of the pause is not lost to P2's end.
    expect(due('resolve', state, '2026-11-20T11:30:00')).toBe('2026-11-20T15:20');
    const lowered = incident(
      'P2',
      '2026-11-20T10:00:00',
      steps[0] ?? [0, pause],
      steps[1] ?? [0, pause],
      [80, level('P3')],
    );
    expect(due('resolve', lowered, '2026-11-20T11:30:00')).toBe('2026-11-22T11:00');
  });

  it('stands still in a pause and goes on with what was left', () => {
    const state = incident('P1', '2026-11-20T10:00:00', [60, pause]);
    const clock = clockOf('resolve', cycleOf(state), policy, at('2026-11-22T10:00:00'));
    expect(clock).toMatchObject({ due: null, left: minutes(180), paused: true, breachedAt: null });
  });

  it('does not forget what was missed under an earlier level', () => {
    const state = incident(
      'P1',
      '2026-11-20T10:00:00',
      [300, level('P4')],
      [310, { type: 'resolved' }],
    );
    const clock = clockOf('resolve', cycleOf(state), policy, at('2026-11-21T10:00:00'));
    expect(clock.breachedAt).toEqual(at('2026-11-20T14:00:00'));
  });

  it('counts the first answer, whoever answers again', () => {
    const state = incident(
      'P1',
      '2026-11-20T10:00:00',
      [5, { type: 'acknowledged' }],
      [400, { type: 'acknowledged' }],
    );
    expect(cycleOf(state).respondedAt).toEqual(at('2026-11-20T10:05:00'));
  });

  it('gives a reopened incident clocks of its own and keeps the old ones', () => {
    const state = incident(
      'P1',
      '2026-11-20T10:00:00',
      [20, { type: 'resolved' }],
      [100, { type: 'reopened', reason: 'r' }],
    );
    expect(due('resolve', state, '2026-11-20T12:00:00')).toBe('2026-11-20T15:40');
    // The first answer came after 20 minutes, not 15.
    expect(clocksOf(state, policy, at('2026-11-20T12:00:00')).breached).toBe(true);
  });
});

/** A life of levels and pauses: steps in minutes, each a new level or a pause and its end. */
const life = fc.array(
  fc.record({
    gap: fc.integer({ min: 1, max: 3_000 }),
    what: fc.oneof(
      fc.constantFrom(...severities).map((severity) => ({ severity })),
      fc.integer({ min: 1, max: 3_000 }).map((length) => ({ length })),
    ),
  }),
  { maxLength: 8 },
);

function stepsOf(steps: { gap: number; what: { severity: Severity } | { length: number } }[]) {
  const events: [number, IncidentEvent][] = [];
  let now = 0;
  for (const { gap, what } of steps) {
    now += gap;
    if ('severity' in what) events.push([now, level(what.severity)]);
    else {
      events.push([now, pause]);
      now += what.length;
      events.push([now, proceed]);
    }
  }
  return { events, end: now };
}

describe('whatever happens', () => {
  const start = '2026-11-16T08:00:00';
  const cycle = (events: [number, IncidentEvent][], severity: Severity): Cycle =>
    cycleOf(incident(severity, start, ...events));
  const later = new Date(at(start).getTime() + minutes(100_000));
  const dueOf = (one: Cycle) => clockOf('resolve', one, policy, later).due?.getTime() ?? 0;

  it('raising the level never moves a deadline away, and there and back gains nothing', () => {
    fc.assert(
      fc.property(life, fc.constantFrom(...severities), (steps, first) => {
        const { events, end } = stepsOf(steps);
        const before = cycle(events, first);
        const present = before.levels.at(-1)?.severity ?? first;
        for (const severity of severities) {
          const changed = dueOf(cycle([...events, [end + 1, level(severity)]], first));
          if (severities.indexOf(severity) <= severities.indexOf(present)) {
            expect(changed).toBeLessThanOrEqual(dueOf(before));
          } else expect(changed).toBeGreaterThanOrEqual(dueOf(before));
          const back = cycle(
            [...events, [end + 1, level(severity)], [end + 2, level(present)]],
            first,
          );
          expect(dueOf(back)).toBeLessThanOrEqual(dueOf(before));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('a pause before the end moves it by its own length, in one piece or in two', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Severity>('P1', 'P2', 'P3', 'P4'),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 2, max: 5_000 }),
        (severity, from, length) => {
          const half = Math.floor(length / 2);
          const plain = dueOf(cycle([], severity));
          const one = cycle(
            [
              [from, pause],
              [from + length, proceed],
            ],
            severity,
          );
          const two = cycle(
            [
              [from, pause],
              [from + half, proceed],
              [from + half, pause],
              [from + length, proceed],
            ],
            severity,
          );
          expect(dueOf(one)).toBe(plain + minutes(length));
          expect(dueOf(two)).toBe(dueOf(one));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('what was missed stays missed', () => {
    fc.assert(
      fc.property(life, life, fc.constantFrom(...severities), (first, second, severity) => {
        const { events, end } = stepsOf(first);
        const more = stepsOf(second).events.map(([gap, event]): [number, IncidentEvent] => [
          end + gap,
          event,
        ]);
        const now = new Date(at(start).getTime() + minutes(end));
        const before = clockOf('resolve', cycle(events, severity), policy, now).breachedAt;
        const after = clockOf('resolve', cycle([...events, ...more], severity), policy, later);
        if (before !== null) expect(after.breachedAt).toEqual(before);
      }),
      { numRuns: 60 },
    );
  });
});
