import { Box } from 'ink';
import type { ReactElement } from 'react';
import { windowStart } from '../state/list.js';
import type { StepView } from '../state/run.js';
import { clean, cut, pad, wrap } from '../text.js';
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

const wordWidth = 8;

/** Columns beside the title: cursor, sign, word, and what is between them. */
const beside = wordWidth + 5;

/** The steps with their states, in a sign and a word. */
export function Steps({ steps, selected, width, height, active }: StepsProps): ReactElement {
  const start = windowStart(selected, steps.length, height);
  const end = Math.min(steps.length, start + height);
  const titles = fitTitles(
    steps.slice(start, end).map(({ title }) => wrap(clean(title), width - beside)),
    selected - start,
    height,
  );
  const place = steps.length > height ? `${start + 1}–${end} of ${steps.length}` : steps.length;
  return (
    <Box flexDirection="column" width={width} height={height + 2}>
      <LineView line={line(`Steps (${place})`, 'dim')} width={width} />
      <LineView line={line('─'.repeat(width), 'dim')} width={width} />
      {steps.slice(start, end).map((step, index) => (
        <Step
          key={step.id}
          step={step}
          title={titles[index] ?? []}
          chosen={start + index === selected}
          active={active}
          width={width}
        />
      ))}
    </Box>
  );
}

/** Titles in as many lines as there is room for: the chosen one first, then from the top. */
function fitTitles(titles: readonly string[][], chosen: number, height: number): string[][] {
  let room = Math.max(0, height - titles.length);
  const counts = titles.map(() => 1);
  for (const index of [chosen, ...titles.keys()]) {
    const more = Math.min(room, (titles[index]?.length ?? 1) - (counts[index] ?? 1));
    counts[index] = (counts[index] ?? 1) + more;
    room -= more;
  }
  return titles.map((lines, index) => {
    const count = counts[index] ?? 1;
    const last = lines.slice(count - 1).join(' ');
    return lines.length <= count ? lines : [...lines.slice(0, count - 1), last];
  });
}

interface StepProps {
  step: StepView;
  /** Its title in lines; the last one may be too long. */
  title: readonly string[];
  chosen: boolean;
  active: boolean;
  width: number;
}

function Step({ step, title, chosen, active, width }: StepProps): ReactElement {
  const { sign, word, tone } = stepSign(step);
  const [first = '', ...others] = title;
  const look = chosen ? ('title' as const) : undefined;
  return (
    <Box flexDirection="column">
      <LineView
        width={width}
        tone={chosen && active ? 'selected' : undefined}
        line={[
          span(chosen ? '▸' : ' '),
          span(`${sign} `, tone),
          span(pad(first, width - beside), look),
          span('  '),
          span(pad(word, wordWidth), tone),
        ]}
      />
      {others.map((text) => (
        <LineView
          key={text}
          width={width}
          tone={chosen && active ? 'selected' : undefined}
          line={[span('   '), span(cut(text, width - beside), look)]}
        />
      ))}
    </Box>
  );
}
