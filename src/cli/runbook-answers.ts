import type { Answer, Ask, Question } from '../runbooks/engine/answers.js';
import { isAmong } from '../runbooks/engine/approval.js';
import type { Risk } from '../runbooks/engine/definition.js';
import { isOperatorError, type OperatorError } from '../system/errors.js';
import { thisProcess } from '../system/owner.js';
import type { Answers } from './confirm.js';
import type { CommandContext } from './context.js';

export interface RunbookAnswers extends Answers {
  /** What was done for the manual step the run waits at. */
  done?: string | undefined;
}

export interface RunbookFlags extends RunbookAnswers {
  dryRun?: boolean | undefined;
  readOnly?: boolean | undefined;
  incident?: string | undefined;
  /** `jsonl` writes every event as a line to stdout. */
  format?: 'text' | 'jsonl' | undefined;
}

/** Answers a runbook's questions from the flags, or asks the person at the terminal. */
export const answerFrom =
  (context: CommandContext, answers: RunbookAnswers): Ask =>
  async (question) =>
    question.type === 'approve'
      ? approve(context, answers, question)
      : manual(context, answers, question);

async function approve(
  context: CommandContext,
  answers: RunbookAnswers,
  question: Extract<Question, { type: 'approve' }>,
): Promise<Answer> {
  const by = thisProcess().user;
  const { approvedBy, risk, text, name, count, planHash } = question;
  if (approvedBy !== null && isAmong(by, [approvedBy])) return { type: 'later' };
  try {
    if (risk === 'destroy') {
      const typed = `${name} ${count}`;
      await context.confirmDestruction({ what: text, name, typed, planHash }, answers);
    } else {
      await context.confirmChange(text, answers);
    }
  } catch (error) {
    if (!isOperatorError(error)) throw error;
    return refusal(error, by);
  }
  return { type: 'yes', by, how: howAnswered(answers, risk) };
}

const refusal = (error: OperatorError, by: string): Answer => {
  if (error.code === 'DECLINED') return { type: 'no', by };
  if (error.code === 'INTERRUPTED') throw error;
  return { type: 'refused', error };
};

function howAnswered(answers: Answers, risk: Risk): string {
  if (risk !== 'destroy') return answers.yes === true ? '--yes' : 'typed yes';
  if (answers.plan !== undefined) return '--plan';
  return answers.confirm === undefined ? 'typed name and count' : '--confirm';
}

async function manual(
  context: CommandContext,
  answers: RunbookAnswers,
  { instruction }: Extract<Question, { type: 'manual' }>,
): Promise<Answer> {
  const by = thisProcess().user;
  let said = answers.done;
  // It answers one step: the next one has not been read yet.
  answers.done = undefined;
  if (said === undefined && context.interactive) {
    said = await context.ask(`${instruction}\nSay what you did (nothing: not now): `);
  }
  const text = said?.trim() ?? '';
  return text === '' ? { type: 'later' } : { type: 'done', by, said: text };
}
