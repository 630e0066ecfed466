import { Box } from 'ink';
import type { ReactElement } from 'react';
import { windowStart } from '../state/list.js';
import type { Model, Overlay } from '../state/model.js';
import { type Choice, choicesOf, promptText } from '../state/overlays.js';
import { pad, widthOf } from '../text.js';
import { fieldLine } from '../view/field-line.js';
import { keyName } from '../view/key-names.js';
import { bodyRows } from '../view/layout.js';
import { blank, type Line, line, span, wrapped } from '../view/line.js';
import { Lines } from './lines.js';

/** Help, palette or prompt, in place of the screen below. */
export function OverlayView({ model, overlay }: { model: Model; overlay: Overlay }): ReactElement {
  const { columns } = model.size;
  const height = bodyRows(model.size);
  const lines =
    overlay.name === 'prompt' ? promptLines(overlay, columns) : choiceLines(model, overlay, height);
  return (
    <Box>
      <Lines lines={lines} width={columns} height={height} />
    </Box>
  );
}

function promptLines(
  { purpose, field, problem }: Extract<Overlay, { name: 'prompt' }>,
  width: number,
): Line[] {
  return [
    blank,
    ...wrapped(promptText(purpose), width, 'title', 2),
    blank,
    [span('  › ', 'key'), ...fieldLine(field)],
    ...(problem === undefined ? [] : wrapped(problem, width, 'bad', 4)),
  ];
}

function choiceLines(
  model: Model,
  { name, field, cursor }: Extract<Overlay, { name: 'help' | 'palette' }>,
  height: number,
): Line[] {
  const choices = choicesOf(model);
  const at = Math.min(cursor, choices.length - 1);
  const rows = height - 3;
  const nameWidth = Math.max(0, ...choices.map((choice) => widthOf(shownName(choice, name))));
  const start = windowStart(at, choices.length, rows);
  const title =
    name === 'help'
      ? 'Keys of this screen; type to find one, Enter does it'
      : 'Commands and runbooks; type a part of the name, Enter does it';
  const end = Math.min(choices.length, start + rows);
  const place = choices.length > rows ? `   ${start + 1}–${end} of ${choices.length}` : '';
  return [
    [span(title, 'title'), span(place, 'dim')],
    [span(name === 'help' ? '/ ' : ': ', 'key'), ...fieldLine(field)],
    blank,
    ...(choices.length === 0 ? [line('Nothing fits.', 'dim')] : []),
    ...choices
      .slice(start, start + rows)
      .map((choice, index) => choiceLine(choice, start + index === at, name, nameWidth)),
  ];
}

/** The name of a choice as it is drawn. */
const shownName = ({ name }: Choice, of: 'help' | 'palette'): string =>
  of === 'help' ? name.split(' ').map(keyName).join(' ') : name;

function choiceLine(
  choice: Choice,
  chosen: boolean,
  of: 'help' | 'palette',
  nameWidth: number,
): Line {
  const also = of === 'palette' && choice.also.length > 0 ? `  (${choice.also.join(', ')})` : '';
  return [
    span(chosen ? '▸ ' : '  ', 'key'),
    span(pad(shownName(choice, of), nameWidth), chosen ? 'selected' : 'key'),
    span(`  ${choice.description}`),
    span(also, 'dim'),
  ];
}
