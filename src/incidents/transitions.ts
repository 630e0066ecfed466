import { invalid, type OperatorError, refused } from '../system/errors.js';
import { type ChecklistItem, checklistItems, type IncidentEvent } from './events.js';
import type { Severity } from './severity.js';
import { type IncidentState, isOver } from './state.js';

/** What a person, or a tracker for one, does to an incident. */
export type Action =
  | { type: 'acknowledge' }
  | { type: 'assign'; owner: string }
  | { type: 'note'; text: string; from?: string }
  | { type: 'pause'; reason: string }
  | { type: 'continue' }
  | { type: 'severity'; severity: Severity; reason: string }
  | { type: 'resolve'; rootCause?: string; action?: string; from?: string }
  | {
      type: 'close';
      checklist: readonly ChecklistItem[];
      rootCause?: string;
      action?: string;
    }
  | { type: 'reopen'; reason: string }
  | { type: 'merge'; into: number }
  | { type: 'add-action'; text: string; owner: string; due: string }
  | { type: 'finish-action'; item: number };

/**
 * The events that an action means for an incident as it stands now; none where it changes nothing.
 *
 * @throws INCIDENT_STATE, CHECKLIST_INCOMPLETE (exit 3), INPUT_INVALID (exit 2)
 */
export function decide(id: number, state: IncidentState, action: Action): IncidentEvent[] {
  switch (action.type) {
    case 'acknowledge':
      requireRunning(id, state, 'acknowledged');
      return state.status === 'open' ? [{ type: 'acknowledged' }] : [];
    case 'assign':
      requireRunning(id, state, 'assigned');
      return state.owner === action.owner ? [] : [{ type: 'assigned', owner: action.owner }];
    case 'note':
      return [{ ...action, type: 'noted' }];
    case 'pause':
      requireRunning(id, state, 'paused');
      return state.status === 'paused' ? [] : [{ type: 'paused', reason: action.reason }];
    case 'continue':
      requireRunning(id, state, 'continued');
      return state.status === 'paused' ? [{ type: 'continued' }] : [];
    case 'severity':
      requireRunning(id, state, 'given another severity');
      return state.severity === action.severity ? [] : [{ ...action, type: 'severity.changed' }];
    case 'resolve':
      if (state.status === 'resolved') return [];
      requireRunning(id, state, 'resolved');
      return [{ ...action, type: 'resolved' }];
    case 'close':
      return closing(id, state, action);
    case 'reopen':
      if (state.status === 'merged') throw wrongState(id, state, 'reopened');
      return isOver(state) ? [{ type: 'reopened', reason: action.reason }] : [];
    case 'merge':
      return merging(id, state, action.into);
    case 'add-action': {
      const { text, owner, due } = action;
      return [{ type: 'action.added', item: state.followUps.length + 1, text, owner, due }];
    }
    case 'finish-action': {
      const found = state.followUps.find(({ item }) => item === action.item);
      if (found === undefined) {
        throw invalid('ACTION_NOT_FOUND', `Incident ${id} has no action item ${action.item}.`, {
          hint: `\`reviewops incident show ${id}\` lists them.`,
        });
      }
      return found.doneAt === null ? [{ type: 'action.done', item: action.item }] : [];
    }
  }
}

function closing(
  id: number,
  state: IncidentState,
  { checklist, rootCause, action }: Extract<Action, { type: 'close' }>,
): IncidentEvent[] {
  if (state.status === 'closed') return [];
  if (state.status !== 'resolved') throw wrongState(id, state, 'closed');
  const missing = checklistItems.filter((item) => !checklist.includes(item));
  if (missing.length > 0) throw checklistIncomplete(id, missing);
  return [
    {
      type: 'closed',
      checklist: [...checklistItems],
      ...(rootCause === undefined ? {} : { rootCause }),
      ...(action === undefined ? {} : { action }),
    },
  ];
}

function merging(id: number, state: IncidentState, into: number): IncidentEvent[] {
  if (id === into) {
    throw invalid('INPUT_INVALID', `Incident ${id} cannot be merged into itself.`, {
      hint: 'Name another incident with --into.',
    });
  }
  if (state.mergedInto === into) return [];
  if (state.status === 'merged') throw wrongState(id, state, 'merged');
  return [{ type: 'merged', into }];
}

function requireRunning(id: number, state: IncidentState, what: string): void {
  if (isOver(state)) throw wrongState(id, state, what);
}

const advice: Record<IncidentState['status'], (id: number) => string> = {
  open: (id) => `Resolve it first: reviewops incident resolve ${id}`,
  acknowledged: (id) => `Resolve it first: reviewops incident resolve ${id}`,
  paused: (id) => `Resolve it first: reviewops incident resolve ${id}`,
  resolved: (id) => `Reopen it first: reviewops incident reopen ${id} --reason TEXT`,
  closed: (id) => `Reopen it first: reviewops incident reopen ${id} --reason TEXT`,
  merged: () => 'Work on the incident that it was merged into.',
};

const wrongState = (id: number, state: IncidentState, what: string): OperatorError => {
  const where = state.mergedInto === null ? '' : ` into ${state.mergedInto}`;
  return refused(
    'INCIDENT_STATE',
    `Incident ${id} is ${state.status}${where} and cannot be ${what}; nothing was changed.`,
    { hint: advice[state.status](id) },
  );
};

/** What each item of the checklist says, for people. */
export const checklistText: Record<ChecklistItem, string> = {
  'symptom-gone': 'The symptom is gone.',
  'quality-tests': 'The quality tests pass.',
  'no-new-alert': 'There is no new alert.',
  logs: 'The logs were checked and archived.',
  communicated: 'What was done is documented and communicated.',
};

const checklistIncomplete = (id: number, missing: readonly ChecklistItem[]): OperatorError =>
  refused(
    'CHECKLIST_INCOMPLETE',
    `Incident ${id} is not closed: ${missing.length} of ${checklistItems.length} points are not confirmed (${missing
      .map((item) => `${item}: ${checklistText[item]}`)
      .join(' ')})`,
    {
      hint: `Confirm each that holds: reviewops incident close ${id} ${missing.map((item) => `--checked ${item}`).join(' ')}`,
    },
  );
