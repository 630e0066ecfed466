import type { OperatorError } from '../../system/errors.js';
import type { Risk } from './definition.js';
import type { Plan } from './plan.js';

/** What the runner asks a person, through whatever face is in front of them. */
export type Question =
  | {
      type: 'approve';
      step: string;
      text: string;
      risk: Risk;
      /** What is typed to approve a destructive plan: the target's name and the count. */
      name: string;
      count: number;
      plan: Plan;
      planHash: string;
      /** Set when somebody has approved already and another person must. */
      approvedBy: string | null;
    }
  | { type: 'manual'; step: string; instruction: string };

export type Answer =
  | { type: 'yes'; by: string; how: string }
  | { type: 'no'; by: string }
  /** Said of a manual step when it is done. */
  | { type: 'done'; by: string; said: string }
  /** Nobody is there to answer now: the run stops as `waiting` and can be resumed. */
  | { type: 'later' }
  /** Not answered as it must be: nothing was touched. Its hint is the command that would do it. */
  | { type: 'refused'; error: OperatorError };

export type Ask = (question: Question) => Promise<Answer>;
