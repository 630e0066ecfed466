import { Box } from 'ink';
import type { ReactElement } from 'react';
import { windowStart } from '../state/list.js';
import type { StepView } from '../state/run.js';
import { pad } from '../text.js';
import { line, span } from '../view/line.js';
import { stepSign } from '../view/words.js';
import { LineView } from './lines.js';

interface StepsProps {
  steps: readonly StepView[];
  selected: number;
  width: number;
  height: number;
  /** Whether the keys move here. */
  active: boolean;
}

const wordWidth = 9;

/** The steps with their states, in a sign and a word. */
export function Steps({ steps, selected, width, height, active }: StepsProps): ReactElement {
  const start = windowStart(selected, steps.length, height);
  return (
    <Box flexDirection="column" width={width} height={height + 2}>
      <LineView line={line(`Steps (${steps.length})`, 'dim')} width={width} />
      <LineView line={line('─'.repeat(width), 'dim')} width={width} />
      {steps.slice(start, start + height).map((step, index) => {
        const { sign, word, tone } = stepSign(step);
        const chosen = start + index === selected;
        return (
          <LineView
            key={step.id}
            width={width}
            tone={chosen && active ? 'selected' : undefined}
            line={[
              span(chosen ? '▸' : ' '),
              span(`${sign} `, tone),
              span(pad(step.title, width - wordWidth - 4), chosen ? 'title' : undefined),
              span(' '),
              span(pad(word, wordWidth), tone),
            ]}
          />
        );
      })}
    </Box>
  );
}
