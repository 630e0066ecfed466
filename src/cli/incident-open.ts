import type { IncidentRow } from '../incidents/read-model.js';
import type { CommandContext } from './context.js';
import { changeIncident, person } from './incidents.js';

export interface OpenRequest {
  summary: string;
  severity: string;
  batchId: string | undefined;
  cause: string | undefined;
  service: 'database' | 'etl' | undefined;
}

/** Opens what a person reports. @throws SEVERITY_UNKNOWN (exit 2) */
export async function openByHand(
  context: CommandContext,
  { summary, severity, batchId, cause, service }: OpenRequest,
): Promise<{ incidents: IncidentRow[] }> {
  const [{ openIncident }, { parseSeverity }] = await Promise.all([
    import('../incidents/work.js'),
    import('../incidents/severity.js'),
  ]);
  const { names } = (await context.config()).incidents;
  const occurrence = {
    source: 'person' as const,
    summary,
    severity: parseSeverity(severity, names),
    ...(batchId === undefined ? {} : { batchId }),
    ...(cause === undefined ? {} : { cause }),
    ...(service === undefined ? {} : { service }),
  };
  return changeIncident(context, (store) => openIncident(store, occurrence, person()));
}
