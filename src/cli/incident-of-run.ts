import type { IncidentRow } from '../incidents/read-model.js';
import type { RunReport } from '../runbooks/engine/report.js';
import type { CommandContext } from './context.js';
import { openByHand } from './incident-open.js';
import { deliverIncidents } from './incident-signals.js';
import { incidentId, person, withIncidents } from './incidents.js';

/** A run that has ended, as an incident takes it in. */
export interface EndedRun {
  report: Pick<RunReport, 'runId' | 'runbook' | 'state' | 'reason' | 'error' | 'branch'>;
  input: Record<string, unknown>;
}

/** The database may be the very thing that is down, in seconds. */
const connectTimeoutSeconds = 3;

/** The open incident that a run of this machine belongs to; undefined when there is none. */
export async function findIncidentOfRun(
  context: CommandContext,
  runId: string,
): Promise<IncidentRow | undefined> {
  const [{ readJournal }, { startOf }, { incidentOfRun }, { rowOf }] = await Promise.all([
    import('../runbooks/engine/journal.js'),
    import('../runbooks/engine/restore.js'),
    import('../incidents/of-run.js'),
    import('../incidents/read-model.js'),
  ]);
  const started = startOf((await readJournal(context.home, runId)).entries);
  const { runbook, input } = started;
  const incident = /^#?\d{1,9}$/.test(started.incident ?? '')
    ? incidentId(started.incident ?? '')
    : undefined;
  return withIncidents(
    context,
    async (store) => {
      const found = await incidentOfRun(store, { runId, runbook, input, incident });
      return found === undefined ? undefined : rowOf(found, store.config, store.now());
    },
    { connectTimeoutSeconds },
  );
}

/**
 * Opens what a person reports of a run, as `incident open` does: with the cause of the failure, so
 * that what is open for it already gets an occurrence, and with the runbook that cures it.
 * Undefined while it waits on this machine for the database.
 *
 * @throws SEVERITY_UNKNOWN (exit 2)
 */
export async function openForRun(
  context: CommandContext,
  { severity, summary }: { severity: string; summary: string },
  run: EndedRun,
): Promise<IncidentRow | undefined> {
  const { report, input } = run;
  const [{ causeOfRunbook }, { incidents: config }] = await Promise.all([
    import('../incidents/causes.js'),
    context.config(),
  ]);
  const { runId, runbook, error, branch } = report;
  const cause =
    error === null
      ? undefined
      : causeOfRunbook({ runId, runbook, input, error }, config.severities).occurrence.cause;
  const cure =
    branch?.to === 'runbook' ? { id: branch.runbook, input: branch.input } : { id: runbook, input };
  const { incidents } = await openByHand(context, {
    summary,
    severity,
    batchId: typeof input.batchId === 'string' ? input.batchId : undefined,
    cause,
    service: undefined,
    runbook: cure,
  });
  const [incident] = incidents;
  if (incident === undefined) return undefined;
  await linkRun(context, incident.incidentId, run);
  return incident;
}

/** Adds what a person says of a run, and the run, to an incident. */
export async function addToIncident(
  context: CommandContext,
  id: number,
  text: string,
  run: EndedRun,
): Promise<IncidentRow> {
  const [{ act }, { rowOf }] = await Promise.all([
    import('../incidents/work.js'),
    import('../incidents/read-model.js'),
  ]);
  const { runId, state } = run.report;
  const { incident, known } = await withIncidents(context, async (store) => {
    const noted = await act(store, id, { type: 'note', text }, person());
    return {
      incident: rowOf(noted, store.config, store.now()),
      known: noted.state.runs.some((one) => one.runId === runId && one.state === state),
    };
  });
  if (!known) await linkRun(context, id, run);
  return incident;
}

/** Puts the run among those of the incident. */
async function linkRun(
  context: CommandContext,
  id: number,
  { report: { runId, runbook, state, reason } }: EndedRun,
): Promise<void> {
  const { spoolRun } = await import('../incidents/spool.js');
  const summary = reason ?? '';
  await spoolRun(context.home, context.now(), id, {
    type: 'runbook',
    runId,
    runbook,
    state,
    summary,
  });
  await deliverIncidents(context, await context.database());
}
