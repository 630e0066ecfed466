import type { Ask } from './answers.js';
import type { ApproveStep, ManualStep, Risk, StepContext } from './definition.js';
import type { RunEvent } from './events.js';
import type { Plan } from './plan.js';

export interface GivenApproval {
  step: string;
  by: string;
  plan: string | null;
}

export interface ApprovalRequest<Input> {
  step: ApproveStep<Input>;
  context: StepContext<Input>;
  risk: Risk;
  plan: Plan;
  planHash: string;
  /** Two different people have to approve. */
  secondPerson: boolean;
  /** Approvals that the journal of a resumed run holds. */
  given: readonly GivenApproval[];
}

export type ApprovalOutcome =
  | { type: 'approved'; by: string[] }
  | { type: 'declined'; by: string }
  | { type: 'later'; reason: string }
  | { type: 'refused'; reason: string; rerun: string };

/** Asks until as many different people as needed have approved this very plan. */
export async function approve<Input>(
  request: ApprovalRequest<Input>,
  ask: Ask,
  record: (event: RunEvent) => Promise<unknown>,
): Promise<ApprovalOutcome> {
  const { step, context, plan, planHash, risk } = request;
  const needed = request.secondPerson ? 2 : 1;
  const people = new Set(
    request.given
      .filter((given) => given.step === step.id && given.plan === planHash)
      .map(({ by }) => by),
  );
  while (people.size < needed) {
    const [first = null] = people;
    const answer = await ask({
      type: 'approve',
      step: step.id,
      text: step.question(context),
      risk,
      name: step.name(context),
      count: plan.targets.length,
      plan,
      planHash,
      approvedBy: first,
    });
    switch (answer.type) {
      case 'yes':
        if (people.has(answer.by)) {
          return {
            type: 'later',
            reason: `${answer.by} has approved already; somebody else must approve too.`,
          };
        }
        await record({
          type: 'approval.given',
          step: step.id,
          by: answer.by,
          how: answer.how,
          plan: planHash,
        });
        people.add(answer.by);
        break;
      case 'no':
        await record({ type: 'approval.declined', step: step.id, by: answer.by });
        return { type: 'declined', by: answer.by };
      case 'refused':
        return answer;
      case 'later':
      case 'done':
        return { type: 'later', reason: `The plan waits for ${needed - people.size} approval(s).` };
    }
  }
  return { type: 'approved', by: [...people] };
}

/** Asks a person to do the step and gives who said what, or `later`. */
export async function recordManual<Input>(
  step: ManualStep<Input>,
  context: StepContext<Input>,
  ask: Ask,
): Promise<{ by: string; said: string } | 'later'> {
  const answer = await ask({
    type: 'manual',
    step: step.id,
    instruction: step.instruction(context),
  });
  return answer.type === 'done' ? { by: answer.by, said: answer.said } : 'later';
}
