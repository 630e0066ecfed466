import { Box } from 'ink';
import type { ReactElement } from 'react';
import { Lines, LineView } from '../components/lines.js';
import { TableView } from '../components/table-view.js';
import { fieldOf } from '../state/field.js';
import { type HomePanel, homePanels, type Model, type Screen } from '../state/model.js';
import { fieldLine } from '../view/field-line.js';
import { glanceLines } from '../view/glance.js';
import { glanceRows, listView } from '../view/layout.js';
import { type Line, line, span } from '../view/line.js';
import { unfinished } from '../view/tables.js';

const titles: Record<HomePanel, string> = {
  system: 'System',
  runbooks: 'Runbooks',
  unfinished: 'To go on with',
  recent: 'Recent runs',
};

/** The system at a glance, the runbooks, and the runs that wait for somebody. */
export function Home({
  model,
  screen,
}: {
  model: Model;
  screen: Extract<Screen, { name: 'home' }>;
}): ReactElement {
  const { columns } = model.size;
  const view = listView(model);
  if (view === undefined) return <Box />;
  const { table, list, height } = view;
  return (
    <Box flexDirection="column">
      <Glance model={model} height={glanceRows(model)} />
      <LineView line={tabs(model, screen.panel)} width={columns} />
      <LineView line={searchLine(model, screen.panel, list.filter)} width={columns} />
      <TableView table={table} cursor={list.cursor} width={columns} height={height} />
    </Box>
  );
}

/** The worst first; nothing where the system is the chosen panel. */
function Glance({ model, height }: { model: Model; height: number }): ReactElement | null {
  if (height === 0) return null;
  const { columns } = model.size;
  const lines = glanceLines(model, columns, height - 1);
  return <Lines lines={lines} width={columns} height={height} />;
}

function tabs(model: Model, chosen: HomePanel): Line {
  return homePanels.flatMap((panel, index) => {
    const count = panel === 'unfinished' ? unfinished(model).length : 0;
    const text = `${index + 1} ${titles[panel]}${count > 0 ? ` (${count})` : ''}`;
    return [
      span(` ${text} `, panel === chosen ? 'selected' : count > 0 ? 'caution' : 'dim'),
      span(' '),
    ];
  });
}

function searchLine(model: Model, panel: HomePanel, filter: string): Line {
  const asks = panel === 'runbooks' ? 'What do you see? ' : 'Find: ';
  if (model.filtering)
    return [
      span(` ${asks}`, 'key'),
      ...fieldLine(fieldOf(filter), 'no best review, connection refused, …'),
    ];
  if (filter !== '') return [span(` ${asks}`, 'dim'), span(filter)];
  return line(
    panel === 'runbooks'
      ? ' / searches by what you see: "no best review", or a part of the error'
      : ' / finds',
    'dim',
  );
}
