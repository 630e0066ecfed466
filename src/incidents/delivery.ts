import { randomUUID } from 'node:crypto';
import type {
  ChannelSettings,
  IncidentsConfig,
  TrackerSettings,
} from '../config/incidents-schema.js';
import { errorMessage } from '../system/errors.js';
import { redact, registerSecret } from '../system/redact.js';
import { appendEvents } from './append.js';
import { pagerdutySender, slackSender, smsSender, webhookSender } from './channels/chat.js';
import { emailSender } from './channels/email.js';
import { SendFailure } from './channels/http.js';
import type { SecretLookup, Sender } from './channels/sender.js';
import { system } from './events.js';
import { type Notice, type TicketUpdate, trackerPrefix } from './messages.js';
import type { IncidentState } from './state.js';
import { type IncidentStore, inTransaction, lockIncident, readIncidents } from './store.js';
import { jiraTracker } from './trackers/jira.js';
import { linearTracker } from './trackers/linear.js';
import { notionTracker } from './trackers/notion.js';
import { bringInLine, type Remote, type Tracker } from './trackers/tracker.js';
import { after } from './work.js';

/** Everything that messages can go to, by the name under which the outbox has it. */
export interface Outlets {
  channels: Map<string, Sender>;
  trackers: Map<string, Tracker>;
}

function openChannel(settings: ChannelSettings, secret: SecretLookup): Sender {
  switch (settings.kind) {
    case 'email':
      return emailSender(settings, secret);
    case 'slack':
      return slackSender(settings, secret);
    case 'webhook':
      return webhookSender(settings, secret);
    case 'pagerduty':
      return pagerdutySender(settings, secret);
    case 'sms':
      return smsSender(settings, secret);
  }
}

function openTracker(settings: TrackerSettings, secret: SecretLookup): Tracker {
  switch (settings.kind) {
    case 'jira':
      return jiraTracker(settings, secret);
    case 'linear':
      return linearTracker(settings, secret);
    case 'notion':
      return notionTracker(settings, secret);
  }
}

/** The channels and trackers of the configuration; their secrets are masked from here on. */
export function openOutlets(
  { channels, trackers }: Pick<IncidentsConfig, 'channels' | 'trackers'>,
  lookup: SecretLookup,
): Outlets {
  const secret: SecretLookup = (name) => {
    const value = lookup(name);
    registerSecret(value);
    return value;
  };
  return {
    channels: new Map(channels.map((one) => [one.name, openChannel(one, secret)])),
    trackers: new Map(trackers.map((one) => [one.name, openTracker(one, secret)])),
  };
}

interface Row {
  message_id: string;
  incident_id: number;
  channel: string;
  attempts: number;
  payload: Notice | TicketUpdate;
}

export interface Sent {
  sent: number;
  failed: number;
  stuck: number;
}

/** How long a process may take over what it has claimed, in milliseconds. */
const claimMilliseconds = 120_000;

const batch = 20;

const firstWait = 30_000;
const longestWait = 3_600_000;

/** Twice as long after each failure, from half a minute up to an hour. */
const waitAfter = (attempts: number, { retryAfter }: SendFailure): number =>
  Math.max(
    Math.min(longestWait, firstWait * 2 ** Math.min(attempts - 1, 20)),
    (retryAfter ?? 0) * 1000,
  );

/**
 * Sends what is due, the messages of one incident to one channel in their order. Each is claimed
 * first, so that two processes do not send it twice; who dies with a claim leaves it to the next
 * after two minutes. A channel that fails is tried again later and holds nothing else up.
 */
export async function sendDue(
  store: IncidentStore,
  outlets: Outlets,
  options: { signal: AbortSignal; rounds?: number },
): Promise<Sent> {
  const total: Sent = { sent: 0, failed: 0, stuck: 0 };
  for (let round = 0; round < (options.rounds ?? 50); round += 1) {
    const me = randomUUID();
    const rows = await claim(store, me);
    if (rows.length === 0) break;
    const tickets = rows.filter(({ channel }) => channel.startsWith(trackerPrefix));
    const ids = [...new Set(tickets.map(({ incident_id: id }) => id))];
    const states = new Map(
      (await readIncidents(store.client, ids)).map(({ id, state }) => [id, state]),
    );
    const outcomes = await Promise.all(
      rows.map(async (row) => ({
        row,
        outcome: await attempt(outlets, row, states.get(row.incident_id), options.signal),
      })),
    );
    for (const { row, outcome } of outcomes) await settle(store, row, me, outcome, total);
    if (options.signal.aborted) break;
  }
  return total;
}

const claim = ({ client, now }: IncidentStore, me: string): Promise<Row[]> =>
  client.query<Row>(
    `UPDATE maintenance.incident_outbox SET
       state = 'sending', claimed_by = $1, attempts = attempts + 1, next_attempt_at = $3
     WHERE message_id IN (
       SELECT message_id FROM maintenance.incident_outbox due
       WHERE state IN ('waiting', 'sending') AND next_attempt_at <= $2 AND NOT EXISTS (
         SELECT FROM maintenance.incident_outbox earlier
         WHERE earlier.incident_id = due.incident_id AND earlier.channel = due.channel
           AND earlier.message_id < due.message_id AND earlier.state IN ('waiting', 'sending')
       )
       ORDER BY message_id LIMIT ${batch} FOR UPDATE SKIP LOCKED
     )
     RETURNING message_id, incident_id, channel, attempts, payload`,
    [me, now(), new Date(now().getTime() + claimMilliseconds)],
  );

type Attempt = { reference: string | null; remote?: Remote } | SendFailure;

async function attempt(
  { channels, trackers }: Outlets,
  { channel, payload, incident_id: id }: Row,
  state: IncidentState | undefined,
  signal: AbortSignal,
): Promise<Attempt> {
  try {
    if (channel.startsWith(trackerPrefix)) {
      const name = channel.slice(trackerPrefix.length);
      const tracker = trackers.get(name);
      if (tracker === undefined) throw gone(name);
      const known = state?.links.find((link) => link.tracker === name)?.id;
      const remote = await bringInLine(tracker, payload as TicketUpdate, known, signal);
      return { reference: remote.id, ...(known === undefined ? { remote } : {}) };
    }
    const sender = channels.get(channel);
    if (sender === undefined) throw gone(channel);
    // The number may have been given after the message was written.
    return await sender.send({ ...(payload as Notice), incidentId: id }, signal);
  } catch (error) {
    return error instanceof SendFailure ? error : new SendFailure(errorMessage(error), false);
  }
}

const gone = (name: string) =>
  new SendFailure(`the configuration has no channel or tracker "${name}" any more`, true);

async function settle(
  store: IncidentStore,
  row: Row,
  me: string,
  outcome: Attempt,
  total: Sent,
): Promise<void> {
  const { client, config } = store;
  const now = store.now();
  if (!(outcome instanceof SendFailure)) {
    await finish(store, row, me, outcome);
    total.sent += 1;
    return;
  }
  const stuck = outcome.permanent || row.attempts >= config.attempts;
  await client.execute(
    `UPDATE maintenance.incident_outbox SET
       state = $3, next_attempt_at = $4, last_error = $5, claimed_by = NULL
     WHERE message_id = $1 AND claimed_by = $2`,
    [
      row.message_id,
      me,
      stuck ? 'stuck' : 'waiting',
      new Date(now.getTime() + waitAfter(row.attempts, outcome)),
      redact(outcome.message),
    ],
  );
  total[stuck ? 'stuck' : 'failed'] += 1;
}

/** What was sent, and where its ticket is, are written together. */
const finish = (
  store: IncidentStore,
  row: Row,
  me: string,
  { reference, remote }: Exclude<Attempt, SendFailure>,
): Promise<void> =>
  inTransaction(store, async () => {
    await store.client.execute(
      `UPDATE maintenance.incident_outbox SET
         state = 'sent', sent_at = $3, reference = $4, last_error = NULL, claimed_by = NULL
       WHERE message_id = $1 AND claimed_by = $2`,
      [row.message_id, me, store.now(), reference],
    );
    if (remote === undefined) return;
    const tracker = row.channel.slice(trackerPrefix.length);
    const incident = await lockIncident(store, row.incident_id);
    await appendEvents(store, incident, [
      {
        at: after(incident, store.now()),
        by: system,
        key: `linked:${tracker}`,
        event: { type: 'linked', tracker, ...remote },
      },
    ]);
  });
