import { appendEvents, insertIncident } from './append.js';
import { type Occurrence, system } from './events.js';
import { rank } from './severity.js';
import { cycleOf, isOver } from './state.js';
import {
  type Incident,
  type IncidentStore,
  inTransaction,
  lockIncident,
  type NewEvent,
  readIncident,
} from './store.js';
import { after, callDue } from './work.js';

/** Something that was seen and may open an incident. */
export interface Signal {
  /** Makes it one, however often it is delivered. */
  id: string;
  at: Date;
  by: string;
  occurrence: Occurrence;
  /** Only says that a failed run left its traces: belongs to what that run opened. */
  trace?: boolean;
}

/** What became of a signal. `still`: known, and nothing new about it. */
export type Outcome = 'opened' | 'reopened' | 'occurred' | 'still' | 'known';

export interface Recorded {
  /** Id of the signal. */
  signal: string;
  incident: Incident;
  outcome: Outcome;
}

/** Signals take turns: two of the same cause at once are one incident. */
const signalLock = 7_240_811_564;

const dayMilliseconds = 86_400_000;

/** A failed run is one event, whoever tells of it. */
const keyOf = ({ id, occurrence: { runId } }: Signal): string =>
  runId === undefined ? `signal:${id}` : `run:${runId}`;

/** What happened before the signal reached the database: calls that were made, messages sent. */
export interface Meanwhile {
  events: readonly NewEvent[];
  told: ReadonlySet<string>;
}

const nothing: Meanwhile = { events: [], told: new Set() };

/**
 * Records a signal: with the incident that its cause has open; else reopens the one it had of
 * late; else opens one. Delivered again it changes nothing.
 */
export async function recordSignal(
  store: IncidentStore,
  signal: Signal,
  meanwhile: Meanwhile = nothing,
): Promise<Recorded> {
  return { signal: signal.id, ...(await inTurn(store, signal, meanwhile)) };
}

const inTurn = (
  store: IncidentStore,
  signal: Signal,
  meanwhile: Meanwhile,
): Promise<Omit<Recorded, 'signal'>> =>
  inTransaction(store, async () => {
    await store.client.query('SELECT pg_advisory_xact_lock($1)', [signalLock]);
    const key = keyOf(signal);
    const known = await incidentOfKey(store, key);
    if (known !== undefined) {
      return { incident: await readIncident(store.client, known), outcome: 'known' };
    }
    const match = await findIncident(store, signal);
    const incident = match === undefined ? undefined : await lockIncident(store, match);
    if (incident === undefined) return openNew(store, signal, key, meanwhile);
    if (!isOver(incident.state)) return occurAgain(store, incident, signal, key);
    const over = cycleOf(incident.state).resolvedAt ?? incident.state.changedAt;
    // It was seen before it was resolved, and reached us late.
    if (signal.at <= over) {
      await appendEvents(store, incident, [
        { at: signal.at, by: signal.by, key, event: { type: 'occurred', ...signal.occurrence } },
      ]);
      return { incident, outcome: 'occurred' };
    }
    if (signal.at.getTime() - over.getTime() > store.config.reopenDays * dayMilliseconds) {
      return openNew(store, signal, key, meanwhile);
    }
    return reopen(store, incident, signal, key);
  });

async function incidentOfKey({ client }: IncidentStore, key: string): Promise<number | undefined> {
  const [row] = await client.query<{ incident_id: number }>(
    'SELECT incident_id FROM maintenance.incident_events WHERE key = $1 LIMIT 1',
    [key],
  );
  return row?.incident_id;
}

/** The incident that a signal belongs to: by its cause, or by the failed run that left the trace. */
async function findIncident(
  { client }: IncidentStore,
  { occurrence, trace }: Signal,
): Promise<number | undefined> {
  const { cause, batchId } = occurrence;
  if (cause === undefined) return undefined;
  const [byCause] = await client.query<{ id: number }>(
    `WITH RECURSIVE target AS (
       SELECT incident_id, merged_into, closed_at, opened_at FROM maintenance.incidents
       WHERE cause = $1
       UNION
       SELECT next.incident_id, next.merged_into, next.closed_at, next.opened_at
       FROM maintenance.incidents next JOIN target ON next.incident_id = target.merged_into
     )
     SELECT incident_id AS id FROM target WHERE merged_into IS NULL
     ORDER BY closed_at IS NULL DESC, incident_id DESC LIMIT 1`,
    [cause],
  );
  if (byCause !== undefined) return byCause.id;
  if (trace !== true || batchId === undefined) return undefined;
  const [byBatch] = await client.query<{ id: number }>(
    `SELECT incident_id AS id FROM maintenance.incidents
     WHERE batch_id = left($1, 30) AND source IN ('pipeline', 'health') AND closed_at IS NULL
       AND status <> 'resolved'
     ORDER BY incident_id DESC LIMIT 1`,
    [batchId],
  );
  return byBatch?.id;
}

async function openNew(
  store: IncidentStore,
  { id, at, by, occurrence }: Signal,
  key: string,
  { events, told }: Meanwhile,
): Promise<Omit<Recorded, 'signal'>> {
  const incident = await insertIncident(store, occurrence, { uid: id, at, by, key }, told);
  await appendEvents(store, incident, events, told);
  await markRepeats(store, incident, at);
  await callDue(store, incident, after(incident, store.now()));
  return { incident, outcome: 'opened' };
}

async function reopen(
  store: IncidentStore,
  incident: Incident,
  { at, by, occurrence }: Signal,
  key: string,
): Promise<Omit<Recorded, 'signal'>> {
  const reason = 'the same cause is back';
  const event = { type: 'reopened' as const, reason, ...occurrence };
  await appendEvents(store, incident, [{ at: after(incident, at), by, key, event }]);
  await raise(store, incident, occurrence);
  await markRepeats(store, incident, at);
  await callDue(store, incident, after(incident, store.now()));
  return { incident, outcome: 'reopened' };
}

async function occurAgain(
  store: IncidentStore,
  incident: Incident,
  { at, by, occurrence }: Signal,
  key: string,
): Promise<Omit<Recorded, 'signal'>> {
  const { check } = occurrence;
  const raised = rank(occurrence.severity) < rank(incident.state.severity);
  if (check !== undefined && occurrence.runId === undefined && !raised) {
    // A check that looks every five minutes finds the same thing every five minutes.
    if (incident.state.findings.get(check) === true) return { incident, outcome: 'still' };
  }
  await appendEvents(store, incident, [
    { at, by, key, event: { type: 'occurred', ...occurrence } },
  ]);
  await raise(store, incident, occurrence);
  await callDue(store, incident, after(incident, store.now()));
  return { incident, outcome: 'occurred' };
}

/** An incident is as urgent as the worst of what was seen of it. */
async function raise(
  store: IncidentStore,
  incident: Incident,
  { severity, summary }: Occurrence,
): Promise<void> {
  if (rank(severity) >= rank(incident.state.severity)) return;
  const event = { type: 'severity.changed' as const, severity, reason: summary };
  await appendEvents(store, incident, [{ at: after(incident, store.now()), by: system, event }]);
}

/** What keeps coming back has a cause in how things are built. */
async function markRepeats(store: IncidentStore, incident: Incident, at: Date): Promise<void> {
  const { repeatTimes, repeatDays } = store.config;
  const { cause, reviewDue } = incident.state;
  if (cause === null || reviewDue) return;
  const [row] = await store.client.query<{ times: number }>(
    `SELECT count(*)::integer AS times
     FROM maintenance.incidents JOIN maintenance.incident_events USING (incident_id)
     WHERE cause = $1 AND type IN ('opened', 'reopened') AND at > $2`,
    [cause, new Date(at.getTime() - repeatDays * dayMilliseconds)],
  );
  const times = row?.times ?? 0;
  if (times < repeatTimes) return;
  await appendEvents(store, incident, [
    {
      at: after(incident, at),
      by: system,
      key: 'review.due',
      event: { type: 'review.due', times, days: repeatDays },
    },
  ]);
}

/** Notes with the incidents that go on that checks no longer find what they found. */
export async function recordRecoveries(
  store: IncidentStore,
  recovered: { id: string; at: Date; checks: readonly { check: string; summary: string }[] },
): Promise<number[]> {
  if (recovered.checks.length === 0) return [];
  const rows = await store.client.query<{ incident_id: number }>(
    `SELECT DISTINCT incident_id
     FROM maintenance.incidents JOIN maintenance.incident_events USING (incident_id)
     WHERE closed_at IS NULL AND type IN ('opened', 'occurred', 'reopened')
       AND data ->> 'check' = ANY ($1)
     ORDER BY incident_id`,
    [recovered.checks.map(({ check }) => check)],
  );
  const done: number[] = [];
  for (const { incident_id: id } of rows) {
    const written = await inTransaction(store, async () => {
      const incident = await lockIncident(store, id);
      const events = recovered.checks
        .filter(({ check }) => incident.state.findings.get(check) === true)
        .map(
          ({ check, summary }): NewEvent => ({
            at: after(incident, recovered.at),
            by: system,
            key: `recovered:${recovered.id}:${check}`,
            event: { type: 'recovered', check, summary },
          }),
        );
      return appendEvents(store, incident, events);
    });
    if (written.length > 0) done.push(id);
  }
  return done;
}
