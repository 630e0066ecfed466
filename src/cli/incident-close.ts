import { type ChecklistItem, checklistItems } from '../incidents/events.js';
import { checklistText } from '../incidents/transitions.js';
import type { CommandContext } from './context.js';
import { actOn, type IncidentsResult } from './incident-command.js';

/**
 * Closes an incident. What the flags do not confirm is asked on a terminal, one by one, and no is
 * the default.
 *
 * @throws CHECKLIST_INCOMPLETE, INCIDENT_STATE (exit 3)
 */
export async function closeIncident(
  context: CommandContext,
  id: string,
  given: {
    checked: readonly ChecklistItem[];
    rootCause: string | undefined;
    action: string | undefined;
  },
): Promise<IncidentsResult> {
  const checklist = [...given.checked];
  for (const item of checklistItems) {
    if (!context.interactive) break;
    if (checklist.includes(item)) continue;
    const answer = await context.ask(`${checklistText[item]} [y/N] `);
    if (!/^y(es)?$/i.test(answer?.trim() ?? '')) break;
    checklist.push(item);
  }
  return actOn(context, id, {
    type: 'close',
    checklist,
    ...(given.rootCause === undefined ? {} : { rootCause: given.rootCause }),
    ...(given.action === undefined ? {} : { action: given.action }),
  });
}
