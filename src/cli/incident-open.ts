import type { DatabaseTarget } from '../database/target.js';
import type { CureOfIncident } from '../incidents/events.js';
import type { IncidentRow } from '../incidents/read-model.js';
import type { Recorded, Signal } from '../incidents/signals.js';
import { isOperatorError } from '../system/errors.js';
import type { CommandContext } from './context.js';
import { deliverIncidents } from './incident-signals.js';
import { person, withIncidents } from './incidents.js';

export interface OpenRequest {
  summary: string;
  severity: string;
  batchId: string | undefined;
  cause: string | undefined;
  service: 'database' | 'etl' | undefined;
  /** The runbook that cures it, where one is known. */
  runbook?: CureOfIncident;
}

export interface Opened {
  incidents: IncidentRow[];
  /** It lies on this machine until the database can be reached. */
  spooled: boolean;
}

/** Opens what a person reports. @throws SEVERITY_UNKNOWN (exit 2) */
export async function openByHand(
  context: CommandContext,
  { summary, severity, batchId, cause, service, runbook }: OpenRequest,
): Promise<Opened> {
  const [{ parseSeverity }, { spoolSignal }, { rowOf }] = await Promise.all([
    import('../incidents/severity.js'),
    import('../incidents/spool.js'),
    import('../incidents/read-model.js'),
  ]);
  const { incidents: config } = await context.config();
  const occurrence = {
    source: 'person' as const,
    summary,
    severity: parseSeverity(severity, config.names),
    ...(batchId === undefined ? {} : { batchId }),
    ...(cause === undefined ? {} : { cause }),
    ...(service === undefined ? {} : { service }),
    ...(runbook === undefined ? {} : { runbook }),
  };
  const [at, by] = [context.now(), person()];
  const { id } = await spoolSignal(context.home, { at, by, occurrence });
  // It is in the spool by now: without a database it waits there, and the answer says so.
  const target = await context.database().catch((error: unknown) => {
    if (isOperatorError(error)) return undefined;
    throw error;
  });
  const delivered = await deliverIncidents(context, target);
  const found =
    delivered?.recorded.find(({ signal }) => signal === id) ??
    (delivered === undefined || target === undefined
      ? undefined
      : await recordedElsewhere(context, target, { id, at, by, occurrence }));
  return {
    incidents: found === undefined ? [] : [rowOf(found.incident, config, context.now())],
    spooled: found === undefined,
  };
}

/** Another process has the spool in hand. Recorded twice, a signal is one. */
async function recordedElsewhere(
  context: CommandContext,
  target: DatabaseTarget,
  signal: Signal,
): Promise<Recorded> {
  const { recordSignal } = await import('../incidents/signals.js');
  return withIncidents(context, (store) => recordSignal(store, signal), { target });
}
