import type { IncidentsConfig } from '../config/incidents-schema.js';
import { spanPattern } from '../config/incidents-schema.js';

/** Working time of one place. */
export interface Calendar {
  timeZone: string;
  /** 0 is Sunday. */
  days: ReadonlySet<number>;
  /** Minutes after midnight, on the clock of that place. */
  from: number;
  until: number;
  /** `2026-12-25`. */
  holidays: ReadonlySet<string>;
}

const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;

type Weekday = (typeof weekdays)[number];

export const daySet = (days: readonly Weekday[]): ReadonlySet<number> =>
  new Set(days.map((day) => weekdays.indexOf(day)));

export function minutesOf(clock: string): number {
  const [hours = 0, minutes = 0] = clock.split(':').map(Number);
  return hours * 60 + minutes;
}

export const calendarOf = ({
  timeZone,
  workingDays,
  workingHours,
  holidays,
}: Pick<IncidentsConfig, 'timeZone' | 'workingDays' | 'workingHours' | 'holidays'>): Calendar => ({
  timeZone,
  days: daySet(workingDays),
  from: minutesOf(workingHours.from),
  until: minutesOf(workingHours.until),
  holidays: new Set(holidays),
});

/** A span of time in milliseconds: of the clock on the wall, or of working time only. */
export interface Span {
  milliseconds: number;
  working: boolean;
}

const units = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, wh: 3_600_000 } as const;

/** `15m`, `1wd`. A working day is as long as the calendar's working hours. */
export function parseSpan(text: string, calendar: Calendar): Span {
  const [, amount = '0', unit = 'm'] = spanPattern.exec(text) ?? [];
  if (unit === 'wd') {
    return {
      milliseconds: Number(amount) * (calendar.until - calendar.from) * 60_000,
      working: true,
    };
  }
  return {
    milliseconds: Number(amount) * units[unit as keyof typeof units],
    working: unit === 'wh',
  };
}

interface LocalTime {
  year: number;
  month: number;
  day: number;
  weekday: number;
  /** After midnight. */
  minutes: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(timeZone, format);
  }
  return format;
}

function partsOf(at: number, timeZone: string): Record<string, number> {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatOf(timeZone).formatToParts(at)) parts[type] = Number(value);
  return parts;
}

/** What the clock of a place shows at an instant (milliseconds since 1970). */
export function localTime(at: number, timeZone: string): LocalTime {
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0 } = partsOf(at, timeZone);
  return {
    year,
    month,
    day,
    weekday: new Date(Date.UTC(year, month - 1, day)).getUTCDay(),
    minutes: hour * 60 + minute,
  };
}

/** How far the clock of a place is ahead of UTC at an instant, in milliseconds. */
function offsetAt(at: number, timeZone: string): number {
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = partsOf(at, timeZone);
  const shown = Date.UTC(year, month - 1, day, hour, minute, second);
  return shown - Math.floor(at / 1000) * 1000;
}

/** The instant at which the clock of a place shows this; the later one where it is skipped. */
function instantOf(
  { year, month, day }: Pick<LocalTime, 'year' | 'month' | 'day'>,
  minutes: number,
  timeZone: string,
): number {
  const shown = Date.UTC(year, month - 1, day, 0, minutes);
  const first = shown - offsetAt(shown, timeZone);
  return shown - offsetAt(first, timeZone);
}

interface Window {
  from: number;
  until: number;
}

const oneDay = 86_400_000;

/** What was computed of each calendar: many incidents lie on the same days. */
const computed = new WeakMap<Calendar, Map<number, Window | undefined>>();

/** The working hours of a day, which is named by its midnight as if the place were at UTC. */
function windowOf(date: number, calendar: Calendar): Window | undefined {
  const known = computed.get(calendar) ?? new Map<number, Window | undefined>();
  computed.set(calendar, known);
  if (!known.has(date)) known.set(date, computeWindow(new Date(date), calendar));
  return known.get(date);
}

function computeWindow(at: Date, { days, holidays, timeZone, ...hours }: Calendar) {
  if (!days.has(at.getUTCDay()) || holidays.has(at.toISOString().slice(0, 10))) return undefined;
  const local = { year: at.getUTCFullYear(), month: at.getUTCMonth() + 1, day: at.getUTCDate() };
  return {
    from: instantOf(local, hours.from, timeZone),
    until: instantOf(local, hours.until, timeZone),
  };
}

/**
 * The working hours from an instant on, preceded by some that may be over. Endless: a calendar has
 * working days.
 */
function* windowsFrom(start: number, calendar: Calendar): Generator<Window> {
  // The date of a place is at most one ahead of or behind that of UTC.
  for (let date = Math.floor(start / oneDay) * oneDay - oneDay; ; date += oneDay) {
    const window = windowOf(date, calendar);
    if (window !== undefined) yield window;
  }
}

/** How much of a span passes between two instants, in milliseconds. */
export function passedBetween(
  from: number,
  until: number,
  working: boolean,
  calendar: Calendar,
): number {
  if (until <= from) return 0;
  if (!working) return until - from;
  let passed = 0;
  for (const window of windowsFrom(from, calendar)) {
    if (window.from >= until) return passed;
    passed += Math.max(0, Math.min(until, window.until) - Math.max(from, window.from));
  }
  return passed;
}

/** The instant at which a span that begins at `from` is over. */
export function endOf(from: number, span: Span, calendar: Calendar): number {
  if (!span.working || span.milliseconds <= 0) return from + span.milliseconds;
  let left = span.milliseconds;
  for (const window of windowsFrom(from, calendar)) {
    const begin = Math.max(from, window.from);
    const room = Math.max(0, window.until - begin);
    if (room >= left) return begin + left;
    left -= room;
  }
  return from;
}
