import { Args } from '@oclif/core';
import type { IncidentRow } from '../incidents/read-model.js';
import type { Action } from '../incidents/transitions.js';
import { ReviewopsCommand } from './command.js';
import type { CommandContext } from './context.js';
import { renderIncidents } from './incident-text.js';
import type { Terminal } from './terminal.js';

export interface IncidentsResult {
  incidents: IncidentRow[];
}

export const idArg = {
  id: Args.string({ required: true, description: 'Number of the incident.' }),
};

/** A command whose result is incidents as they stand. */
export abstract class IncidentsCommand<
  Result extends IncidentsResult = IncidentsResult,
> extends ReviewopsCommand<Result> {
  override render({ incidents }: Result, terminal: Terminal): string {
    return renderIncidents(incidents, terminal, new Date());
  }
}

/** Does one thing to one incident. */
export async function actOn(
  context: CommandContext,
  id: string,
  action: Action,
): Promise<IncidentsResult> {
  const [{ act }, { changeIncident, incidentId, person }] = await Promise.all([
    import('../incidents/work.js'),
    import('./incidents.js'),
  ]);
  const number = incidentId(id);
  return changeIncident(context, (store) => act(store, number, action, person()));
}
