import type { IncidentRow } from '../incidents/read-model.js';
import type { Incident, IncidentStore } from '../incidents/store.js';
import { invalid } from '../system/errors.js';
import { thisProcess } from '../system/owner.js';
import type { CommandContext } from './context.js';

/** Who acts. */
export const person = (): string => thisProcess().user;

/** Opens the store of incidents for the time of `work`. */
export async function withIncidents<T>(
  context: CommandContext,
  work: (store: IncidentStore) => Promise<T>,
): Promise<T> {
  const { withStore } = await import('../incidents/store.js');
  const [config, target] = [await context.config(), await context.database()];
  const { signal, now } = context;
  return withStore({ target, config, signal, now }, work);
}

/** Does something to one incident; gives it as it stands then. */
export async function changeIncident(
  context: CommandContext,
  work: (store: IncidentStore) => Promise<Incident>,
): Promise<{ incidents: IncidentRow[] }> {
  const { rowOf } = await import('../incidents/read-model.js');
  return withIncidents(context, async (store) => ({
    incidents: [rowOf(await work(store), store.config, store.now())],
  }));
}

/** @throws USAGE_ERROR (exit 2) */
export function incidentId(text: string): number {
  const id = /^#?(\d{1,9})$/.exec(text)?.[1];
  if (id !== undefined) return Number(id);
  throw invalid('USAGE_ERROR', `${JSON.stringify(text)} is not the number of an incident.`, {
    hint: '`reviewops incident list` shows the numbers.',
  });
}
