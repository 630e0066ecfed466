import { setTimeout as wait } from 'node:timers/promises';
import type { IncidentsConfig } from '../config/incidents-schema.js';
import { acquireLease, type Lease } from '../lake/lease.js';
import { openLocalLake } from '../lake/local.js';
import { isOperatorError } from '../system/errors.js';
import { thisProcess } from '../system/owner.js';
import { SendFailure } from './channels/http.js';
import type { Outlets } from './delivery.js';
import type { LoggedEvent } from './events.js';
import { messagesFor, type Notice, trackerPrefix } from './messages.js';
import type { NewMessage } from './outbox.js';
import { incidentsDirectory, readSpool, type SpooledSignal, toEvent, writeEntry } from './spool.js';
import type { IncidentState } from './state.js';
import { apply, replay } from './timeline.js';
import { dueEvents } from './work.js';

/** How long another process that works on the spool is waited for, in milliseconds. */
const patience = 5_000;

/**
 * Makes this process the only one that works on the spool; undefined when another one does so for
 * longer than a moment, and will deliver what lies there.
 */
export async function withSpool<T>(
  home: string,
  watch: { now: () => Date; signal: AbortSignal },
  work: () => Promise<T>,
): Promise<T | undefined> {
  const lake = openLocalLake(incidentsDirectory(home));
  const until = performance.now() + patience;
  let lease: Lease;
  for (;;) {
    try {
      lease = await acquireLease(lake, 'spool', { ...watch, owner: thisProcess() });
      break;
    } catch (error) {
      if (!isOperatorError(error) || error.code !== 'LEASE_HELD') throw error;
      if (performance.now() > until) return undefined;
      await wait(50, undefined, { signal: watch.signal });
    }
  }
  try {
    return await work();
  } finally {
    await lease.release();
  }
}

/** One cause is told of once, however often it was seen. */
function firstOfEachCause(entries: readonly SpooledSignal[]): SpooledSignal[] {
  const seen = new Set<string>();
  return entries.filter(({ id, signal: { occurrence } }) => {
    const cause = occurrence.cause ?? id;
    if (seen.has(cause)) return false;
    seen.add(cause);
    return true;
  });
}

/** The incident that a spooled signal will become, with the messages that tell of it. */
function replayLocally(
  entry: SpooledSignal,
  config: IncidentsConfig,
): { state: IncidentState; messages: NewMessage[] } {
  const opened: LoggedEvent = {
    seq: 0,
    at: new Date(entry.at),
    by: entry.by,
    event: { type: 'opened', uid: entry.id, ...entry.signal.occurrence },
  };
  const state = replay([opened]);
  if (state === undefined) throw new Error('A signal opens an incident.');
  const messages = messagesFor(0, state, opened, config);
  for (const [index, event] of entry.events.map(toEvent).entries()) {
    const logged = { seq: index + 1, ...event };
    apply(state, logged);
    messages.push(...messagesFor(0, state, logged, config));
  }
  return { state, messages };
}

/**
 * Tells people while the database is down: calls what is due for the incidents that only this
 * machine knows of. What was sent is kept beside them and not sent again once the database is back.
 * Trackers wait until then.
 */
export const notifyLocally = (
  home: string,
  outlets: Outlets,
  context: { config: IncidentsConfig; now: () => Date; signal: AbortSignal },
): Promise<{ sent: number; failed: number } | undefined> =>
  withSpool(home, context, async () => {
    const counts = { sent: 0, failed: 0 };
    const signals = (await readSpool(home)).filter((entry) => entry.kind === 'signal');
    for (const entry of firstOfEachCause(signals)) {
      await callLocally(home, entry, context);
      const { messages } = replayLocally(entry, context.config);
      for (const message of messages) {
        await tell(home, entry, message, { outlets, signal: context.signal, counts });
      }
    }
    return counts;
  });

async function callLocally(
  home: string,
  entry: SpooledSignal,
  context: { config: IncidentsConfig; now: () => Date },
): Promise<void> {
  const { state } = replayLocally(entry, context.config);
  for (const call of dueEvents({ id: 0, state }, context, context.now())) {
    apply(state, { seq: entry.events.length + 1, ...call });
    entry.events.push({ ...call, at: call.at.toISOString() });
    await writeEntry(home, entry);
  }
}

async function tell(
  home: string,
  entry: SpooledSignal,
  { key, channel, payload }: NewMessage,
  {
    outlets,
    signal,
    counts,
  }: { outlets: Outlets; signal: AbortSignal; counts: { sent: number; failed: number } },
): Promise<void> {
  const sender = outlets.channels.get(channel);
  if (sender === undefined || channel.startsWith(trackerPrefix) || entry.told.includes(key)) return;
  try {
    await sender.send(payload as Notice, signal);
  } catch (error) {
    if (!(error instanceof SendFailure)) throw error;
    counts.failed += 1;
    return;
  }
  entry.told.push(key);
  await writeEntry(home, entry);
  counts.sent += 1;
}
