import { Box } from 'ink';
import type { ReactElement } from 'react';
import type { Question } from '../../runbooks/engine/answers.js';
import type { Model } from '../state/model.js';
import { fieldLine } from '../view/field-line.js';
import { instructionOf } from '../view/layout.js';
import { type Line, line, span } from '../view/line.js';
import { LineView } from './lines.js';

interface QuestionBoxProps {
  model: Model;
  text: readonly string[];
  width: number;
  /** Whether the keys go here. */
  active: boolean;
}

/** What the run asks, what has to be typed, and what is typed. */
export function QuestionBox({ model, text, width, active }: QuestionBoxProps): ReactElement | null {
  const question = model.run?.question;
  if (question === undefined) return null;
  return (
    <Box flexDirection="column" width={width}>
      <LineView line={line('─'.repeat(width), 'caution')} width={width} />
      {text.map((part) => (
        <LineView key={part} line={[span(part, 'title')]} width={width} />
      ))}
      <LineView line={saidOf(model, question)} width={width} />
      <LineView line={answerLine(model, active)} width={width} />
    </Box>
  );
}

/** What has to be typed; after a wrong answer, that it was wrong. */
const saidOf = ({ answer }: Model, question: Question): Line =>
  answer?.problem === undefined
    ? line(instructionOf(question), 'caution')
    : line(answer.problem, 'bad');

function answerLine({ answer }: Model, active: boolean): Line {
  if (answer === undefined) return [];
  if (!active) return line('  Enter leads to the answer.', 'dim');
  if (!answer.armed) return line('  Read first: keys count in a moment.', 'dim');
  return [span('Answer: ', 'key'), ...fieldLine(answer.field)];
}
