import type { IncidentRow } from '../incidents/read-model.js';
import { ExitCode, isOperatorError } from '../system/errors.js';
import type { CommandContext } from './context.js';
import { tellFromHere } from './incident-signals.js';
import { changeIncident, incidentId, outletsOf, person, withIncidents } from './incidents.js';

export interface EscalateResult {
  /** The first of them. */
  incidents: IncidentRow[];
  /** How many incidents something was due for. */
  escalated: number;
  /** People called, and status messages written, this time. */
  calls: number;
  statuses: number;
  messages: { sent: number; failed: number; stuck: number };
  /** What was taken over from the trackers. */
  pulled: { comments: number; resolved: number };
  /** Incidents that only this machine knows of: the database cannot be reached. */
  spooled: number;
}

const nothing = {
  escalated: 0,
  calls: 0,
  statuses: 0,
  messages: { sent: 0, failed: 0, stuck: 0 },
  pulled: { comments: 0, resolved: 0 },
  spooled: 0,
};

/** Calls the next of the chain for one incident. */
export async function escalateOne(context: CommandContext, id: string): Promise<EscalateResult> {
  const { escalateByPerson } = await import('../incidents/work.js');
  const number = incidentId(id);
  const { incidents } = await changeIncident(context, (store) =>
    escalateByPerson(store, number, person()),
  );
  return { ...nothing, incidents, escalated: 1, calls: 1 };
}

/** Does everything that is due; without a database, what can be done from this machine. */
export async function escalateAll(context: CommandContext): Promise<EscalateResult> {
  try {
    return await escalateInDatabase(context);
  } catch (error) {
    if (!isOperatorError(error) || error.exitCode !== ExitCode.unreachable) throw error;
    const { spoolNames } = await import('../incidents/spool.js');
    const spooled = (await spoolNames(context.home)).length;
    if (spooled === 0) throw error;
    context.warn(`${error.message} What this machine knows of is called for from here.`);
    const { sent, failed } = await tellFromHere(context);
    return { ...nothing, incidents: [], messages: { sent, failed, stuck: 0 }, spooled };
  }
}

async function escalateInDatabase(context: CommandContext): Promise<EscalateResult> {
  const [{ escalateDue }, { sendDue }, { pullTrackers }, { readIncidents }, { rowOf }] =
    await Promise.all([
      import('../incidents/work.js'),
      import('../incidents/delivery.js'),
      import('../incidents/pull.js'),
      import('../incidents/store.js'),
      import('../incidents/read-model.js'),
    ]);
  const outlets = await outletsOf(context);
  return withIncidents(context, async (store) => {
    const { signal } = context;
    const due = await escalateDue(store);
    const messages = await sendDue(store, outlets, { signal });
    const { failures, ...pulled } = await pullTrackers(store, outlets, signal);
    for (const failure of failures) context.warn(`Nothing was taken over from ${failure}`);
    const found = await readIncidents(store.client, due.ids);
    return {
      incidents: found.map((incident) => rowOf(incident, store.config, store.now())),
      escalated: due.incidents,
      calls: due.calls,
      statuses: due.statuses,
      messages,
      pulled,
      spooled: 0,
    };
  });
}
