import type { Contact, IncidentsConfig } from '../config/incidents-schema.js';
import { daySet, localTime, minutesOf } from './calendar.js';

/** Whether a person is on call at an instant; hours may run over midnight. */
function isOnCall(contact: Contact, at: Date, timeZone: string): boolean {
  const { weekday, minutes } = localTime(at.getTime(), timeZone);
  const from = minutesOf(contact.from ?? '00:00');
  const until = minutesOf(contact.until ?? '24:00');
  const days = contact.days === undefined ? undefined : daySet(contact.days);
  const works = (day: number) => days === undefined || days.has(day);
  if (from < until) return works(weekday) && minutes >= from && minutes < until;
  // The night belongs to the day on which it began.
  return (works(weekday) && minutes >= from) || (works((weekday + 6) % 7) && minutes < until);
}

/** Who of a role is called: those on call; all of the role when nobody is, for silence helps nobody. */
export function contactsOf(
  role: string,
  at: Date,
  { contacts, timeZone }: Pick<IncidentsConfig, 'contacts' | 'timeZone'>,
): Contact[] {
  const people = contacts.filter((contact) => contact.role === role);
  const present = people.filter((contact) => isOnCall(contact, at, timeZone));
  return present.length > 0 ? present : people;
}
