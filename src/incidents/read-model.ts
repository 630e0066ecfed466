import type { IncidentsConfig } from '../config/incidents-schema.js';
import { type Clock, clocksOf, policyOf } from './clocks.js';
import type { CureOfIncident, LoggedEvent, Service, Source, Status } from './events.js';
import { severityName } from './severity.js';
import { type Incident, type IncidentStore, readIncident, readIncidents } from './store.js';
import { cycleOf, type FollowUp, type IncidentState, isOver, type LinkedRun } from './timeline.js';

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
  severity?: string;
  owner?: string;
  limit: number;
}

/** Incidents with their clocks as of now. */
export async function listIncidents(
  store: IncidentStore,
  { all = false, status, severity, owner, limit }: ListFilter,
): Promise<{ incidents: IncidentRow[]; more: boolean }> {
  const everything = all || status === 'closed' || status === 'merged';
  const rows = await store.client.query<{ incident_id: number }>(
    `SELECT incident_id FROM maintenance.incidents
     WHERE ${everything ? 'true' : 'closed_at IS NULL'}
       AND ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR severity = $2)
       AND ($3::text IS NULL OR owner = $3)
     ORDER BY ${everything ? 'incident_id DESC' : 'severity, opened_at, incident_id'} LIMIT $4`,
    [status ?? null, severity ?? null, owner ?? null, limit + 1],
  );
  const ids = rows.slice(0, limit).map(({ incident_id: id }) => id);
  const found = await readIncidents(store.client, ids);
  const now = store.now();
  return {
    incidents: found.map((incident) => rowOf(incident, store.config, now)),
    more: rows.length > limit,
  };
}

/** One incident with everything that is known of it. @throws INCIDENT_NOT_FOUND (exit 2) */
export const showIncident = async (store: IncidentStore, id: number): Promise<IncidentDetail> =>
  detailOf(await readIncident(store.client, id), store.config, store.now());
