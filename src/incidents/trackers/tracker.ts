import { createHash } from 'node:crypto';
import type { TrackerSettings } from '../../config/incidents-schema.js';
import type { Status } from '../events.js';
import type { TicketUpdate } from '../messages.js';

/** A ticket over there. */
export interface Remote {
  id: string;
  url: string | null;
}

export interface RemoteComment {
  id: string;
  by: string;
  text: string;
}

export interface Pulled {
  /** Somebody has closed it over there. */
  done: boolean;
  comments: RemoteComment[];
}

/** One tracker's API. Every method may be called again with the same outcome. @throws SendFailure */
export interface Tracker {
  name: string;
  /** The ticket that was made for an incident, found by its uid. */
  find(uid: string, signal: AbortSignal): Promise<Remote | undefined>;
  create(update: TicketUpdate, signal: AbortSignal): Promise<Remote>;
  /** Brings level and state in line. */
  update(id: string, update: TicketUpdate, signal: AbortSignal): Promise<void>;
  comment(id: string, text: string, marker: string, signal: AbortSignal): Promise<void>;
  pull(id: string, signal: AbortSignal): Promise<Pulled>;
}

const markerPattern = /\[reviewops [0-9a-z:-]+\]\s*$/i;

/** Stands at the end of our comments: we find them again, and take none of them for another's. */
export const markerOf = ({ key }: Pick<TicketUpdate, 'key'>): string =>
  `[reviewops ${key.split(':').slice(0, 2).join(':')}]`;

export const isOurs = (text: string): boolean => markerPattern.test(text);

/**
 * Makes a ticket what an incident is: created when there is none, fields in line, and the comment
 * there once. A crash in between is made good by doing it again.
 */
export async function bringInLine(
  tracker: Tracker,
  update: TicketUpdate,
  known: string | undefined,
  signal: AbortSignal,
): Promise<Remote> {
  const remote =
    known === undefined
      ? ((await tracker.find(update.uid, signal)) ?? (await tracker.create(update, signal)))
      : { id: known, url: null };
  if (update.comment !== null) {
    const marker = markerOf(update);
    const { comments } = await tracker.pull(remote.id, signal);
    if (!comments.some(({ text }) => text.includes(marker))) {
      await tracker.comment(remote.id, update.comment, marker, signal);
    }
  }
  await tracker.update(remote.id, update, signal);
  return remote;
}

/** What a tracker calls the state that an incident is in; undefined leaves it as it is. */
export function stateName(status: Status, states: TrackerSettings['states']): string | undefined {
  switch (status) {
    case 'merged':
      return states.closed;
    case 'resolved':
      return states.resolved ?? states.acknowledged;
    case 'paused':
      return states.paused ?? states.acknowledged;
    default:
      return states[status];
  }
}

/** A UUID that is always the same for a text. */
export function uuidOf(text: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)) return text;
  const hex = createHash('sha256').update(text).digest('hex');
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ];
  return parts.join('-');
}
