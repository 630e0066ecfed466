import type { ChannelSettings, IncidentsConfig, Severity } from '../config/incidents-schema.js';
import { clocksOf, policyOf } from './clocks.js';
import { describeEvent } from './describe.js';
import type { IncidentEvent, LoggedEvent, Status } from './events.js';
import type { NewMessage } from './outbox.js';
import { severityName } from './severity.js';
import type { IncidentState } from './state.js';

export type NoticeKind =
  | 'call'
  | 'status'
  | 'acknowledged'
  | 'resolved'
  | 'closed'
  | 'reopened'
  | 'severity'
  | 'review';

export interface Recipient {
  name: string;
  email?: string;
  phone?: string;
}

/** What a channel is told. Plain text as people wrote it: each channel escapes for itself. */
export interface Notice {
  kind: NoticeKind;
  /** Makes it one message, however often it is sent. */
  key: string;
  /** Of the incident; what belongs together on the other side. */
  uid: string;
  /** 0 while the database does not know it yet. */
  incidentId: number;
  level: Severity | null;
  /** The level as the preset calls it. */
  severity: string;
  status: Status;
  summary: string;
  text: string;
  at: string;
  by: string;
  openedAt: string;
  respondBy: string | null;
  resolveBy: string | null;
  /** What cures it: a command. */
  next: string | null;
  recipients: Recipient[];
}

/** What a tracker is brought in line with. */
export interface TicketUpdate {
  key: string;
  uid: string;
  incidentId: number;
  level: Severity | null;
  status: Status;
  summary: string;
  description: string;
  /** To be added as a comment; null where only the fields changed. */
  comment: string | null;
}

export const trackerPrefix = 'tracker:';

const kinds: Partial<Record<IncidentEvent['type'], NoticeKind>> = {
  escalated: 'call',
  status: 'status',
  acknowledged: 'acknowledged',
  resolved: 'resolved',
  closed: 'closed',
  reopened: 'reopened',
  'severity.changed': 'severity',
  'review.due': 'review',
};

const listens: Record<ChannelSettings['kind'], readonly NoticeKind[]> = {
  email: ['call', 'status', 'resolved', 'review'],
  sms: ['call', 'resolved'],
  slack: ['call', 'status', 'acknowledged', 'resolved', 'closed', 'severity', 'review'],
  webhook: [
    'call',
    'status',
    'acknowledged',
    'resolved',
    'closed',
    'reopened',
    'severity',
    'review',
  ],
  pagerduty: ['call', 'acknowledged', 'resolved', 'severity'],
};

/** What channels and trackers are told of an event that has just been added. */
export function messagesFor(
  id: number,
  state: IncidentState,
  logged: LoggedEvent,
  config: IncidentsConfig,
): NewMessage[] {
  return [...notices(id, state, logged, config), ...ticketUpdates(id, state, logged, config)];
}

const uidOf = (id: number, state: IncidentState): string => state.uid || `ticket-${id}`;

/** The level it once had decides who hears of it: who was told of a P1 learns of its end. */
function concerns(severities: readonly Severity[], state: IncidentState): boolean {
  const had = state.cycles.flatMap(({ levels }) => levels.map(({ severity }) => severity));
  return had.some((severity) => severity !== null && severities.includes(severity));
}

function notices(
  id: number,
  state: IncidentState,
  { seq, at, by, event }: LoggedEvent,
  config: IncidentsConfig,
): NewMessage[] {
  const kind = kinds[event.type];
  if (kind === undefined) return [];
  const uid = uidOf(id, state);
  return config.channels.flatMap((channel): NewMessage[] => {
    if (!listens[channel.kind].includes(kind) || !concerns(channel.severities, state)) return [];
    const recipients = recipientsOf(channel, state, event, config);
    if (recipients === undefined) return [];
    const key = `${uid}:${seq}:${channel.name}`;
    const payload: Notice = {
      kind,
      key,
      uid,
      text: describeEvent(event),
      at: at.toISOString(),
      by,
      recipients,
      ...standing(id, state, config, at),
    };
    return [{ key, incidentId: id, channel: channel.name, kind, payload, at }];
  });
}

const standing = (id: number, state: IncidentState, config: IncidentsConfig, at: Date) => {
  const { respond, resolve } = clocksOf(state, policyOf(config), at);
  const pending = ({ metAt, due }: typeof respond) =>
    metAt === null ? (due?.toISOString() ?? null) : null;
  return {
    incidentId: id,
    level: state.severity,
    severity: severityName(state.severity, config.names) ?? 'no level',
    status: state.status,
    summary: state.summary,
    openedAt: state.openedAt.toISOString(),
    respondBy: pending(respond),
    resolveBy: pending(resolve),
    next: nextStep(state),
  };
};

function nextStep(state: IncidentState): string | null {
  const [cure] = state.cures;
  if (cure !== undefined) return `reviewops runbook run ${cure.id}`;
  return state.occurrences.findLast(({ next }) => next !== undefined)?.next ?? null;
}

/** Whom a channel addresses; undefined when there is nobody to address. */
function recipientsOf(
  channel: ChannelSettings,
  state: IncidentState,
  event: IncidentEvent,
  config: IncidentsConfig,
): Recipient[] | undefined {
  const called =
    event.type === 'escalated'
      ? [event]
      : state.calls.filter(({ cycle }) => cycle === state.cycles.length - 1);
  const people = config.contacts
    .filter(({ name, role }) =>
      called.some((call) => call.role === role && call.contacts.includes(name)),
    )
    .map(
      ({ name, email, phone }): Recipient => ({
        name,
        ...(email === undefined ? {} : { email }),
        ...(phone === undefined ? {} : { phone }),
      }),
    );
  if (channel.kind !== 'email' && channel.kind !== 'sms') return people;
  const fixed = channel.to.map(
    (to): Recipient =>
      channel.kind === 'email' ? { name: to, email: to } : { name: to, phone: to },
  );
  const address = ({ email, phone }: Recipient) => (channel.kind === 'email' ? email : phone);
  const all = [...people, ...fixed].filter((one) => address(one) !== undefined);
  const once = all.filter(
    (one, index) => all.findIndex((other) => address(other) === address(one)) === index,
  );
  return once.length === 0 ? undefined : once;
}

/** Events that say nothing a comment should hold: the description or the fields say it. */
const silent: ReadonlySet<IncidentEvent['type']> = new Set(['opened', 'recorded']);

function ticketUpdates(
  id: number,
  state: IncidentState,
  { seq, by, at, event }: LoggedEvent,
  config: IncidentsConfig,
): NewMessage[] {
  if (event.type === 'linked') return [];
  const from = 'from' in event ? event.from : undefined;
  const uid = uidOf(id, state);
  return config.trackers.flatMap((tracker): NewMessage[] => {
    // What came from there is there already.
    if (from === tracker.name || !concerns(tracker.severities, state)) return [];
    const key = `${uid}:${seq}:${trackerPrefix}${tracker.name}`;
    const payload: TicketUpdate = {
      key,
      uid,
      incidentId: id,
      level: state.severity,
      status: state.status,
      summary: state.summary,
      description: descriptionOf(state),
      comment: silent.has(event.type) ? null : `${by}: ${describeEvent(event)}`,
    };
    const channel = `${trackerPrefix}${tracker.name}`;
    return [{ key, incidentId: id, channel, kind: 'ticket', payload, at }];
  });
}

function descriptionOf(state: IncidentState): string {
  const lines = [
    state.summary,
    `Opened ${state.openedAt.toISOString()} by ${state.openedBy}.`,
    state.batchId === null ? '' : `Batch ${state.batchId}.`,
    nextStep(state) === null ? '' : `Next: ${nextStep(state)}`,
  ];
  return lines.filter((line) => line !== '').join('\n');
}
