import type { GivenApproval } from './approval.js';
import type { StepResult } from './definition.js';
import type { RunEvent } from './events.js';
import type { Plan } from './plan.js';

/**
 * What a run knows of itself. It is nothing but its journal, folded: a run that goes on after a
 * crash reads the same entries in the same order, and so knows the same.
 */
export interface RunMemory {
  results: Record<string, StepResult>;
  plan: { step: string; hash: string; plan: Plan } | undefined;
  approvals: GivenApproval[];
  /** The plan as it stands has all its approvals. */
  approved: boolean;
  /** Acts that began, whether or not they ended: each is probed before it is run again. */
  begun: Set<string>;
  /** An act of the plan as it stands began: reality is its making from here on. */
  applying: boolean;
}

export const emptyMemory = (): RunMemory => ({
  results: {},
  plan: undefined,
  approvals: [],
  approved: false,
  begun: new Set(),
  applying: false,
});

/** Takes one event in. */
export function remember(memory: RunMemory, event: RunEvent): void {
  switch (event.type) {
    case 'plan.made':
      memory.plan = { step: event.step, hash: event.hash, plan: event.plan };
      memory.approved = false;
      memory.applying = false;
      break;
    case 'approval.given':
      memory.approvals.push({ step: event.step, by: event.by, plan: event.plan });
      break;
    case 'act.started':
      memory.begun.add(event.step);
      memory.applying = true;
      break;
    case 'act.undoing':
      forgetFrom(memory, event.step);
      break;
    case 'act.undone':
      memory.begun.delete(event.step);
      if (memory.begun.size === 0) takeBackApproval(memory);
      break;
    case 'step.finished':
      memory.results[event.result.id] = event.result;
      if (event.result.kind === 'approve') memory.approved = event.result.state === 'done';
      break;
    default:
      break;
  }
}

/** What the act did, and what was seen after it, need not be so any more. */
function forgetFrom({ results }: RunMemory, act: string): void {
  const ids = Object.keys(results);
  if (!ids.includes(act)) return;
  for (const id of ids.slice(ids.indexOf(act))) delete results[id];
}

/** Whoever had all of it undone does not want it done again without being asked. */
function takeBackApproval(memory: RunMemory): void {
  memory.approvals = [];
  memory.approved = false;
  memory.applying = false;
}

/**
 * Forgets what a resumed run has to look at again, and gives the ids of the steps that stay proven.
 *
 * While nothing has been changed, everything is looked at anew but what people have said: checks
 * may come out otherwise by now. Once an act began, what came before it is history: a check of the
 * state that the act has changed would mislead.
 */
export function keepProven(memory: RunMemory): ReadonlySet<string> {
  const { plan, approvals, results } = memory;
  const acted = memory.begun.size > 0;
  const spokenFor = approvals.some((approval) => approval.plan === plan?.hash);
  const stays = ({ id, kind, state }: StepResult): boolean => {
    if (state !== 'done' && state !== 'skipped') return false;
    if (acted || (kind === 'manual' && state === 'done')) return true;
    return spokenFor && (kind === 'approve' || id === plan?.step);
  };
  for (const [id, result] of Object.entries(results)) {
    if (!stays(result)) delete results[id];
  }
  if (!acted && !spokenFor) {
    memory.plan = undefined;
    memory.approved = false;
  }
  return new Set(Object.keys(results));
}
