import type { IncidentsConfig } from '../config/incidents-schema.js';
import { type Clock, clocksOf, policyOf } from './clocks.js';
import type { CureOfIncident, LoggedEvent, Service, Source, Status } from './events.js';
import { rank, type Severity, severityName } from './severity.js';
import { cycleOf, type FollowUp, type IncidentState, isOver, type LinkedRun } from './state.js';
import { type Incident, type IncidentStore, readIncident, readIncidents } from './store.js';

/** A line of the list; times are ISO 8601 UTC. */
export interface IncidentRow {
  incidentId: number;
  /** As the preset names it; null where somebody wrote something else by hand. */
  severity: string | null;
  status: Status;
  summary: string;
  owner: string | null;
  openedAt: string;
  closedAt: string | null;
  batchId: string | null;
  source: Source;
  /** Null when it was met, stands still, or has no level to measure by. */
  respondBy: string | null;
  resolveBy: string | null;
  escalateAt: string | null;
  nextStatusAt: string | null;
  /** Whether a time was missed, also when the answer came later. */
  breached: boolean;
  /** The same cause keeps coming back: its architecture is to be reviewed. */
  reviewDue: boolean;
}

export interface ClockView {
  due: string | null;
  metAt: string | null;
  breachedAt: string | null;
  /** Seconds; negative when late. */
  left: number | null;
  paused: boolean;
}

export interface IncidentDetail extends IncidentRow {
  clocks: { respond: ClockView; resolve: ClockView; escalate: ClockView };
  service: Service | null;
  cause: string | null;
  rootCause: string | null;
  action: string | null;
  openedBy: string;
  respondedAt: string | null;
  respondedBy: string | null;
  resolvedAt: string | null;
  /** How often it came back. */
  reopened: number;
  /** How often it was seen. */
  occurrences: number;
  /** Checks that found something, and whether they still do. */
  findings: { check: string; active: boolean }[];
  runbooks: CureOfIncident[];
  runs: (Omit<LinkedRun, 'at'> & { at: string })[];
  calls: { at: string; role: string; contacts: readonly string[]; reason: string }[];
  actions: (Omit<FollowUp, 'doneAt'> & { doneAt: string | null })[];
  links: { tracker: string; id: string; url: string | null }[];
  mergedInto: number | null;
  absorbed: number[];
  events: { seq: number; at: string; by: string; type: string; data: Record<string, unknown> }[];
}

const iso = (date: Date | null): string | null => date?.toISOString() ?? null;

const pending = ({ metAt, due }: Clock): string | null => (metAt === null ? iso(due) : null);

export function rowOf({ id, state }: Incident, config: IncidentsConfig, now: Date): IncidentRow {
  const clocks = clocksOf(state, policyOf(config), now);
  return {
    incidentId: id,
    severity: severityName(state.severity, config.names),
    status: state.status,
    summary: state.summary,
    owner: state.owner,
    openedAt: state.openedAt.toISOString(),
    closedAt: iso(state.closedAt),
    batchId: state.batchId,
    source: state.source,
    respondBy: pending(clocks.respond),
    resolveBy: pending(clocks.resolve),
    escalateAt: pending(clocks.escalate),
    nextStatusAt: iso(clocks.nextStatusAt),
    breached: clocks.breached,
    reviewDue: state.reviewDue,
  };
}

const clockView = (clock: Clock): ClockView => ({
  due: iso(clock.due),
  metAt: iso(clock.metAt),
  breachedAt: iso(clock.breachedAt),
  left: clock.left === null ? null : clock.left / 1000,
  paused: clock.paused,
});

export function detailOf(
  { id, state, events }: Incident & { events: readonly LoggedEvent[] },
  config: IncidentsConfig,
  now: Date,
): IncidentDetail {
  const clocks = clocksOf(state, policyOf(config), now);
  const { respondedAt, respondedBy, resolvedAt } = cycleOf(state);
  const { respond, resolve, escalate } = clocks;
  return {
    ...rowOf({ id, state }, config, now),
    clocks: {
      respond: clockView(respond),
      resolve: clockView(resolve),
      escalate: clockView(escalate),
    },
    ...plainParts(state),
    respondedAt: iso(respondedAt),
    respondedBy,
    resolvedAt: isOver(state) ? iso(resolvedAt) : null,
    events: events.map(({ seq, at, by, event: { type, ...data } }) => ({
      seq,
      at: at.toISOString(),
      by,
      type,
      data: data as Record<string, unknown>,
    })),
  };
}

const plainParts = (state: IncidentState) => ({
  service: state.service,
  cause: state.cause,
  rootCause: state.rootCause,
  action: state.action,
  openedBy: state.openedBy,
  reopened: state.cycles.length - 1,
  occurrences: state.occurrences.length,
  findings: [...state.findings].map(([check, active]) => ({ check, active })),
  runbooks: state.cures,
  runs: state.runs.map((run) => ({ ...run, at: run.at.toISOString() })),
  calls: state.calls.map(({ at, role, contacts, reason }) => ({
    at: at.toISOString(),
    role,
    contacts,
    reason,
  })),
  actions: state.followUps.map((item) => ({ ...item, doneAt: iso(item.doneAt) })),
  links: state.links,
  mergedInto: state.mergedInto,
  absorbed: state.absorbed,
});

export interface ListFilter {
  /** Closed ones, too; then the newest come first, otherwise the most urgent. */
  all?: boolean;
  status?: Status;
  severity?: Severity;
  owner?: string;
  limit: number;
  /** How many of the first ones are left out; default 0. */
  offset?: number;
}

/** 1 for P1, as the index has it: also for what people wrote by hand. */
const urgency = 'maintenance.incident_urgency(severity)';

/** A part of the list. */
export interface IncidentPage {
  incidents: IncidentRow[];
  /** How many there are in all that were asked for. */
  total: number;
  /** Where the next part begins; null at the end. */
  nextOffset: number | null;
}

/** Incidents with their clocks as of now; only those that are shown are read and computed. */
export async function listIncidents(
  { client, config, now: clock }: IncidentStore,
  { all = false, status, severity, owner, limit, offset = 0 }: ListFilter,
): Promise<IncidentPage> {
  const everything = all || status === 'closed' || status === 'merged';
  const filters: [condition: string, value: unknown][] = [
    ['maintenance.incident_status(status) =', status],
    [`${urgency} =`, severity === undefined ? undefined : rank(severity) + 1],
    ['owner =', owner],
  ];
  const given = filters.filter(([, value]) => value !== undefined);
  const conditions = [
    everything ? 'true' : 'closed_at IS NULL',
    ...given.map(([condition], index) => `${condition} $${index + 1}`),
  ];
  const from = `FROM maintenance.incidents WHERE ${conditions.join(' AND ')}`;
  const [row] = await client.query<{ total: string; ids: number[] }>(
    `SELECT (SELECT count(*) ${from}) AS total, ARRAY(
       SELECT incident_id ${from}
       ORDER BY ${everything ? 'incident_id DESC' : `${urgency}, opened_at, incident_id`}
       LIMIT ${limit} OFFSET ${offset}
     ) AS ids`,
    given.map(([, value]) => value),
  );
  const ids = row?.ids ?? [];
  const total = Number(row?.total ?? 0);
  const now = clock();
  const end = offset + ids.length;
  return {
    incidents: (await readIncidents(client, ids)).map((one) => rowOf(one, config, now)),
    total,
    nextOffset: ids.length > 0 && end < total ? end : null,
  };
}

/** One incident with everything that is known of it. @throws INCIDENT_NOT_FOUND (exit 2) */
export const showIncident = async (store: IncidentStore, id: number): Promise<IncidentDetail> =>
  detailOf(await readIncident(store.client, id), store.config, store.now());
