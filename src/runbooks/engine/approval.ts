import type { OperatorError } from '../../system/errors.js';
import type { Ask } from './answers.js';
import type { ApproveStep, Inputs, ManualStep, Risk, StepContext } from './definition.js';
import type { RunEvent } from './events.js';
import type { Plan } from './plan.js';

export interface GivenApproval {
  step: string;
  by: string;
  plan: string | null;
}

export interface ApprovalRequest {
  step: ApproveStep<Inputs>;
  context: StepContext<Inputs>;
  risk: Risk;
  plan: Plan;
  planHash: string;
  /** Two different people have to approve. */
  secondPerson: boolean;
  /** Approvals that the journal of a resumed run holds. */
  given: readonly GivenApproval[];
  /** Throws what refuses the approval of this person. */
  permit: (by: string) => void;
}

export type ApprovalOutcome =
  | { type: 'approved'; by: string[] }
  | { type: 'declined'; by: string }
  | { type: 'later'; reason: string }
  | { type: 'refused'; error: OperatorError };

/** Asks until as many different people as needed have approved this very plan. */
export async function approve(
  request: ApprovalRequest,
  ask: Ask,
  record: (event: RunEvent) => Promise<unknown>,
): Promise<ApprovalOutcome> {
  const { step, context, plan, planHash, risk } = request;
  const needed = request.secondPerson ? 2 : 1;
  const people: string[] = [];
  for (const { step: id, plan: hash, by } of request.given) {
    if (id === step.id && hash === planHash && !isAmong(by, people)) people.push(by);
  }
  while (people.length < needed) {
    const answer = await ask({
      type: 'approve',
      step: step.id,
      text: step.question(context),
      risk,
      name: step.name(context),
      count: plan.targets.length,
      plan,
      planHash,
      approvedBy: people[0] ?? null,
    });
    switch (answer.type) {
      case 'yes': {
        const { by, how } = answer;
        request.permit(by);
        if (isAmong(by, people)) return later(people);
        await record({ type: 'approval.given', step: step.id, by, how, plan: planHash });
        people.push(by);
        break;
      }
      case 'no':
        await record({ type: 'approval.declined', step: step.id, by: answer.by });
        return { type: 'declined', by: answer.by };
      case 'refused':
        return answer;
      case 'later':
      case 'done':
        return later(people);
    }
  }
  return { type: 'approved', by: people };
}

/** `Ada` and `ada ` are one person. */
export const isAmong = (person: string, people: readonly string[]): boolean =>
  people.some((other) => normal(other) === normal(person));

const normal = (name: string): string => name.trim().toLowerCase();

const later = ([first]: readonly string[]): ApprovalOutcome => ({
  type: 'later',
  reason:
    first === undefined
      ? 'The plan waits for its approval.'
      : `${first} has approved the plan; somebody else must approve it too.`,
});

/** Asks a person to do the step and gives who said what, or `later`. */
export async function recordManual(
  step: ManualStep<Inputs>,
  context: StepContext<Inputs>,
  ask: Ask,
): Promise<{ by: string; said: string } | 'later'> {
  const answer = await ask({
    type: 'manual',
    step: step.id,
    instruction: step.instruction(context),
  });
  return answer.type === 'done' ? { by: answer.by, said: answer.said } : 'later';
}
