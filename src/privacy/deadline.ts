/** Deadlines by the calendar of UTC; a deadline is the end of its day. */

export type Weekends = 'after' | 'before' | 'ignore';

const months = { first: 1, extended: 3 } as const;

/**
 * The last day to act on a request: one month from its receipt, three when it was extended. A month
 * that lacks the day ends it on its last: 31 January → 28 or 29 February.
 *
 * @returns the last millisecond of that day
 */
export function deadlineOf(receivedAt: Date, extended: boolean, weekends: Weekends): Date {
  const count = extended ? months.extended : months.first;
  const [year, month] = [receivedAt.getUTCFullYear(), receivedAt.getUTCMonth() + count];
  const lastDay = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  const day = new Date(Date.UTC(year, month, Math.min(receivedAt.getUTCDate(), lastDay)));
  while (weekends !== 'ignore' && [0, 6].includes(day.getUTCDay())) {
    day.setUTCDate(day.getUTCDate() + (weekends === 'after' ? 1 : -1));
  }
  day.setUTCHours(23, 59, 59, 999);
  return day;
}

const dayMilliseconds = 86_400_000;

/** Days until a moment, negative when it has passed. */
export const daysUntil = (moment: Date, now: Date): number =>
  (moment.getTime() - now.getTime()) / dayMilliseconds;

export const addDays = (moment: Date, days: number): Date =>
  new Date(moment.getTime() + days * dayMilliseconds);
