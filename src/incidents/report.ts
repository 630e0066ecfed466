import type { DatabaseClient } from '../database/client.js';
import { invalid } from '../system/errors.js';
import type { IncidentStore } from './context.js';
import type { Service } from './events.js';
import { breachesOf, secondsToResolve, secondsToRespond } from './postmortem.js';
import { severities, severityName } from './severity.js';
import type { IncidentState } from './state.js';
import { type Incident, readIncidents } from './store.js';

export interface Spread {
  /** Seconds; null where there is nothing to measure. */
  mean: number | null;
  p50: number | null;
  p90: number | null;
}

export interface LevelReport {
  severity: string;
  opened: number;
  /** Of these, how many are not resolved at the end of the month. */
  unresolved: number;
  respond: Spread;
  resolve: Spread;
  breaches: { respond: number; resolve: number };
  /** Incidents that came back, or whose cause had one before. */
  repeats: number;
}

export interface AvailabilityReport {
  service: Service;
  /** Seconds in which it was down, incidents that overlap counted once. */
  downSeconds: number;
  percent: number;
  target: number;
  met: boolean;
}

export interface MonthlyReport {
  month: string;
  from: string;
  /** The end of the month, or now when it goes on. */
  until: string;
  opened: number;
  levels: LevelReport[];
  availability: AvailabilityReport[];
  /** Causes that came more than once. */
  repeated: { cause: string; times: number; incidents: number[] }[];
  reviews: number[];
  incidents: {
    incidentId: number;
    severity: string | null;
    status: string;
    summary: string;
    openedAt: string;
    secondsToRespond: number | null;
    secondsToResolve: number | null;
    breached: boolean;
  }[];
}

const targets: Record<Service, number> = { database: 99.9, etl: 99 };

/** First and last instant of a month such as `2026-11`, in UTC. @throws USAGE_ERROR (exit 2) */
export function monthOf(text: string): { from: Date; until: Date } {
  const [, year, month] = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(text) ?? [];
  if (year === undefined || month === undefined) {
    throw invalid('USAGE_ERROR', `${JSON.stringify(text)} is no month.`, {
      hint: 'It looks like 2026-11.',
    });
  }
  return {
    from: new Date(Date.UTC(Number(year), Number(month) - 1)),
    until: new Date(Date.UTC(Number(year), Number(month))),
  };
}

/** Value below which a share of the numbers lies (nearest rank). */
export function percentile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}

function spread(values: readonly (number | null)[]): Spread {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  const sum = known.reduce((total, value) => total + value, 0);
  return {
    mean: known.length === 0 ? null : sum / known.length,
    p50: percentile(known, 0.5),
    p90: percentile(known, 0.9),
  };
}

/** What a month was like. Incidents count in the month in which they were opened. */
export async function monthlyReport(store: IncidentStore, month: string): Promise<MonthlyReport> {
  const { from, until: end } = monthOf(month);
  const now = store.now();
  const until = new Date(Math.min(end.getTime(), now.getTime()));
  const all = await touching(store.client, from, until);
  const opened = all.filter(({ state }) => state.openedAt >= from && state.openedAt < until);
  const counted = opened.filter(({ state }) => state.status !== 'merged');
  const causes = new Map<string, { times: number; incidents: number[] }>();
  for (const { id, state } of counted) {
    if (state.cause === null) continue;
    const known = causes.get(state.cause) ?? { times: 0, incidents: [] };
    known.times += state.cycles.length;
    known.incidents.push(id);
    causes.set(state.cause, known);
  }
  return {
    month,
    from: from.toISOString(),
    until: until.toISOString(),
    opened: counted.length,
    levels: severities.map((severity) => {
      const ofLevel = counted.filter(({ state }) => state.severity === severity);
      const name = severityName(severity, store.config.names) ?? severity;
      return levelReport(name, ofLevel, { store, until, causes });
    }),
    availability: (['database', 'etl'] as const).map((service) =>
      availabilityOf(service, all, from, until),
    ),
    repeated: [...causes]
      .filter(([, { times }]) => times > 1)
      .map(([cause, known]) => ({ cause, ...known }))
      .sort((a, b) => b.times - a.times),
    reviews: counted.filter(({ state }) => state.reviewDue).map(({ id }) => id),
    incidents: counted.map(({ id, state }) => ({
      incidentId: id,
      severity: severityName(state.severity, store.config.names),
      status: state.status,
      summary: state.summary,
      openedAt: state.openedAt.toISOString(),
      secondsToRespond: secondsToRespond(state),
      secondsToResolve: secondsToResolve(state),
      breached: breachesOf(state, store.config, now).length > 0,
    })),
  };
}

/** Incidents that were open at any time of a span. */
async function touching(client: DatabaseClient, from: Date, until: Date): Promise<Incident[]> {
  const rows = await client.query<{ incident_id: number }>(
    `SELECT incident_id FROM maintenance.incidents
     WHERE opened_at < $2::timestamptz AT TIME ZONE 'UTC'
       AND (closed_at IS NULL OR closed_at >= $1::timestamptz AT TIME ZONE 'UTC')
     ORDER BY incident_id`,
    [from, until],
  );
  const ids = rows.map(({ incident_id: id }) => id);
  const incidents: Incident[] = [];
  for (let at = 0; at < ids.length; at += 1_000) {
    incidents.push(...(await readIncidents(client, ids.slice(at, at + 1_000))));
  }
  return incidents;
}

function levelReport(
  severity: string,
  incidents: readonly Incident[],
  context: {
    store: IncidentStore;
    until: Date;
    causes: ReadonlyMap<string, { incidents: number[] }>;
  },
): LevelReport {
  const states = incidents.map(({ state }) => state);
  const breaches = states.map(
    (state) =>
      new Set(breachesOf(state, context.store.config, context.until).map(({ clock }) => clock)),
  );
  const isRepeat = ({ id, state }: Incident): boolean =>
    state.cycles.length > 1 ||
    (state.cause !== null && (context.causes.get(state.cause)?.incidents ?? [id])[0] !== id);
  return {
    severity,
    opened: incidents.length,
    unresolved: states.filter((state) => state.cycles.at(-1)?.resolvedAt === null).length,
    respond: spread(states.map(secondsToRespond)),
    resolve: spread(states.map(secondsToResolve)),
    breaches: {
      respond: breaches.filter((found) => found.has('respond')).length,
      resolve: breaches.filter((found) => found.has('resolve')).length,
    },
    repeats: incidents.filter(isRepeat).length,
  };
}

/** When an incident kept a service down: from each return until it was resolved. */
const downtimes = ({ cycles }: IncidentState, until: Date): [number, number][] =>
  cycles.map(({ start, resolvedAt }) => [start.getTime(), (resolvedAt ?? until).getTime()]);

/** The share of a span in which no urgent incident (P1, P2) had taken the service away. */
export function availabilityOf(
  service: Service,
  incidents: readonly Incident[],
  from: Date,
  until: Date,
): AvailabilityReport {
  const spans = incidents
    .filter(({ state }) => state.service === service && state.status !== 'merged')
    .filter(({ state }) => state.severity === 'P1' || state.severity === 'P2')
    .flatMap(({ state }) => downtimes(state, until))
    .map(([start, end]): [number, number] => [
      Math.max(start, from.getTime()),
      Math.min(end, until.getTime()),
    ])
    .filter(([start, end]) => end > start)
    .sort(([a], [b]) => a - b);
  let down = 0;
  let reached = from.getTime();
  for (const [start, end] of spans) {
    down += Math.max(0, end - Math.max(start, reached));
    reached = Math.max(reached, end);
  }
  const whole = Math.max(1, until.getTime() - from.getTime());
  const percent = 100 * (1 - down / whole);
  return {
    service,
    downSeconds: down / 1000,
    percent,
    target: targets[service],
    met: percent >= targets[service],
  };
}
