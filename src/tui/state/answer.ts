import type { Answer, Question } from '../../runbooks/engine/answers.js';
import type { Press } from '../terminal/decode.js';
import { expectedAnswer } from '../view/layout.js';
import { editField, fieldOf } from './field.js';
import { type Model, shown, stay, type Update } from './model.js';
import { withBrowser } from './moves.js';

/** The run asks. The answer box opens, and takes no key until there was quiet for a moment. */
export function asked(model: Model, question: Question): Update {
  const { run } = model;
  if (run === undefined) return stay(model);
  const waiting: Model = {
    ...model,
    run: { ...run, question },
    answer: { field: fieldOf(), armed: false, problem: undefined },
  };
  return stay(toAnswer(waiting, question), { type: 'await-quiet' });
}

/** Puts the cursor into the answer, where the run is what somebody looks at. */
function toAnswer(model: Model, question: Question): Model {
  const screen = shown(model);
  if (screen.name !== 'run' || model.overlay !== undefined || model.filtering) return model;
  const panel = question.type === 'approve' ? 'plan' : 'guide';
  return withBrowser(model, screen, { focus: 'answer', panel, step: 'current' });
}

/** Keys for the answer. Those that come before there was quiet were meant for something else. */
export function typeAnswer(model: Model, press: Press): Update {
  const { answer } = model;
  if (answer === undefined) return stay(model);
  if (!answer.armed) return stay(model, { type: 'await-quiet' });
  const field = editField(answer.field, press);
  return stay(
    field === undefined ? model : { ...model, answer: { ...answer, field, problem: undefined } },
  );
}

export const armed = (model: Model): Model =>
  model.answer === undefined ? model : { ...model, answer: { ...model.answer, armed: true } };

/** Enter: only the exact text is an answer. An empty line never is. */
export function submitAnswer(model: Model): Update {
  const { answer, run, operator } = model;
  const question = run?.question;
  if (run === undefined || question === undefined || answer === undefined) return stay(model);
  if (!answer.armed) return stay(model, { type: 'await-quiet' });
  const given = readAnswer(question, answer.field.value.trim(), operator);
  if (typeof given === 'string') {
    return stay({ ...model, answer: { ...answer, problem: given, field: fieldOf() } });
  }
  return stay(settled(model), { type: 'answer', answer: given });
}

/** The question is answered, by whom- and whatever. */
export function settled(model: Model): Model {
  const { run } = model;
  const screen = shown(model);
  const clear: Model = {
    ...model,
    answer: undefined,
    run: run === undefined ? undefined : { ...run, question: undefined },
  };
  if (screen.name !== 'run' || screen.browser.focus !== 'answer') return clear;
  return withBrowser(clear, screen, { focus: 'steps', step: 'current', panel: 'guide' });
}

/** The answer, or what is wrong with it. */
function readAnswer(question: Question, typed: string, by: string): Answer | string {
  if (typed === 'later') return { type: 'later' };
  if (question.type === 'manual') {
    return typed === '' ? 'Say what you did, in your words.' : { type: 'done', by, said: typed };
  }
  const expected = expectedAnswer(question);
  if (typed === expected) {
    return {
      type: 'yes',
      by,
      how: question.risk === 'destroy' ? 'typed name and count' : 'typed yes',
    };
  }
  if (typed === 'no') return { type: 'no', by };
  return typed === ''
    ? `Enter alone answers nothing: ${expected}, no or later.`
    : `Not an answer: ${expected}, no or later.`;
}
