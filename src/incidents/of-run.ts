import { isDeepStrictEqual } from 'node:util';
import type { CureOfIncident } from './events.js';
import { type Incident, type IncidentStore, readIncidents } from './store.js';

/** A run of a runbook, as far as it tells which incident it concerns. */
export interface RunToMatch {
  runId: string;
  runbook: string;
  input: Readonly<Record<string, unknown>>;
  /** The number that it was started with. */
  incident: number | undefined;
}

/** How many open incidents are looked through for one that the runbook cures. */
const mostOpen = 200;

/**
 * The incident that goes on and that a run belongs to: the one it was started for, the one that its
 * failure opened, one that names the run, one whose cure it is. Undefined when there is none.
 */
export async function incidentOfRun(
  store: IncidentStore,
  run: RunToMatch,
): Promise<Incident | undefined> {
  const linked = run.incident === undefined ? undefined : await followed(store, run.incident);
  if (linked !== undefined) return linked;
  const [byFailure] = await store.client.query<{ id: number }>(
    'SELECT incident_id AS id FROM maintenance.incident_events WHERE key = $1 LIMIT 1',
    [`run:${run.runId}`],
  );
  const failed = byFailure === undefined ? undefined : await followed(store, byFailure.id);
  if (failed !== undefined) return failed;
  const rows = await store.client.query<{ id: number }>(
    `SELECT incident_id AS id FROM maintenance.incidents WHERE closed_at IS NULL
     ORDER BY maintenance.incident_urgency(severity), opened_at, incident_id LIMIT ${mostOpen}`,
  );
  const open = await readIncidents(
    store.client,
    rows.map(({ id }) => id),
  );
  return (
    open.find(({ state }) => state.runs.some(({ runId }) => runId === run.runId)) ??
    open.find(({ state }) => state.cures.some((cure) => isCure(cure, run)))
  );
}

/** The incident, or the one that took it in; undefined for one that is closed or was never there. */
async function followed(store: IncidentStore, id: number): Promise<Incident | undefined> {
  const seen = new Set<number>();
  for (let next: number | null = id; next !== null && !seen.has(next); ) {
    seen.add(next);
    const [found]: Incident[] = await readIncidents(store.client, [next]);
    if (found === undefined || found.state.status === 'closed') return undefined;
    if (found.state.mergedInto === null) return found;
    next = found.state.mergedInto;
  }
  return undefined;
}

/** Whether the run had every input that the cure names. */
const isCure = (cure: CureOfIncident, { runbook, input }: RunToMatch): boolean =>
  cure.id === runbook &&
  Object.entries(cure.input).every(([name, value]) => isDeepStrictEqual(input[name], value));
