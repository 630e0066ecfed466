import { Box } from 'ink';
import type { ReactElement } from 'react';
import type { Action, Binding } from '../keys.js';
import { bindingsOf } from '../state/contexts.js';
import { isRunning, type Model, shown } from '../state/model.js';
import { keyName } from '../view/key-names.js';
import { listView } from '../view/layout.js';
import { type Line, span, widthOfLine } from '../view/line.js';
import type { Row } from '../view/table.js';
import { worstCured } from '../view/tables.js';
import { progressText } from '../view/words.js';
import { LineView } from './lines.js';

/** What happened last, and the keys that mean something now. */
export function Footer({ model }: { model: Model }): ReactElement {
  const { columns } = model.size;
  const { notice } = model;
  const status: Line =
    notice === undefined
      ? statusLine(model)
      : [span(notice.text, notice.tone === 'plain' ? undefined : notice.tone)];
  return (
    <Box flexDirection="column">
      <LineView line={status} width={columns} />
      <LineView line={keysLine(model)} width={columns} />
    </Box>
  );
}

/** How far the run is; on the first screen, what is connected or what cures it; else the command
 * that does the same as what was done last. */
function statusLine(model: Model): Line {
  const { commands, run, now, stock } = model;
  const step = run?.steps.find(({ id }) => id === run.current);
  if (step?.state === 'running' && step.progress !== undefined) {
    const text = progressText(step.progress, step.startedAt ?? now, now);
    return [span(`● ${step.id}: ${text}`, 'accent')];
  }
  const says = selectedRow(model)?.says;
  if (says !== undefined) return [span(says)];
  const screen = shown(model);
  if (screen.name === 'home') {
    const cured = worstCured(model);
    if (screen.panel !== 'system' && cured !== undefined) {
      return [span(`1 then Enter opens ${cured.runbook}: ${cured.why}`, 'caution')];
    }
    if (screen.panel !== 'system') return [span(stock.environment.value?.detail ?? '', 'dim')];
  }
  const last = commands.at(-1);
  return [span(last === undefined ? '' : `$ ${last}`, 'dim')];
}

/** As many keys as there is room for; the help, which has all, always, and how to stop a run. */
function keysLine(model: Model): Line {
  const shown = bindingsOf(model).filter(({ quiet, keys }) => quiet !== true && keys.length > 0);
  const always = new Set<Action>(isRunning(model) ? ['stop', 'help'] : ['help']);
  const help = shown.filter(({ action }) => always.has(action)).flatMap(keyLine);
  let room = model.size.columns - widthOfLine(help);
  const others = shown
    .filter(({ action }) => action !== 'stop' && !always.has(action))
    .map(keyLine)
    .filter((one) => {
      room -= widthOfLine(one);
      return room >= 0;
    });
  return [...others.flat(), ...help];
}

/** The row under the cursor. */
function selectedRow(model: Model): Row | undefined {
  const view = listView(model);
  return view?.table.rows[Math.min(view.list.cursor, view.table.rows.length - 1)];
}

const keyLine = ({ keys: [key = ''], label }: Binding): Line => [
  span(keyName(key), 'key'),
  span(` ${label}  `),
];
