import { Box } from 'ink';
import type { ReactElement } from 'react';
import { bindingsOf } from '../state/contexts.js';
import { type Model, shown } from '../state/model.js';
import { keyName } from '../view/key-names.js';
import { type Line, span } from '../view/line.js';
import { LineView } from './lines.js';

/** What happened last, and the keys that mean something now. */
export function Footer({ model }: { model: Model }): ReactElement {
  const { columns } = model.size;
  const { notice } = model;
  const status: Line =
    notice === undefined
      ? [span(statusText(model), 'dim')]
      : [span(notice.text, notice.tone === 'plain' ? undefined : notice.tone)];
  return (
    <Box flexDirection="column">
      <LineView line={status} width={columns} />
      <LineView line={keysLine(model)} width={columns} />
    </Box>
  );
}

/** The command that does the same as what was done last. */
function statusText({ commands, stock, ...model }: Model): string {
  const last = commands.at(-1);
  if (shown({ ...model, commands, stock }).name === 'home')
    return stock.environment.value?.detail ?? '';
  return last === undefined ? '' : `$ ${last}`;
}

function keysLine(model: Model): Line {
  return bindingsOf(model)
    .filter(({ quiet, keys }) => quiet !== true && keys.length > 0)
    .flatMap(({ keys: [key = ''], label }) => [span(keyName(key), 'key'), span(` ${label}  `)]);
}
