import { Box } from 'ink';
import type { ReactElement } from 'react';
import { Lines, LineView } from '../components/lines.js';
import { TableView } from '../components/table-view.js';
import { fieldOf } from '../state/field.js';
import type { ListScreen, Model } from '../state/model.js';
import { fieldLine } from '../view/field-line.js';
import { detailRows, type ListView, listView } from '../view/layout.js';
import { type Line, line, span, wrapped } from '../view/line.js';
import { concern } from '../view/tables.js';
import { checkSign, clock } from '../view/words.js';

/** A screen that is one list: health, batches, runs, the events of a run, the commands. */
export function ListScreenView({
  model,
  screen,
}: {
  model: Model;
  screen: ListScreen;
}): ReactElement {
  const { columns } = model.size;
  const view = listView(model);
  if (view === undefined) return <Box />;
  const { list, table, height } = view;
  return (
    <Box flexDirection="column">
      <LineView line={titleOf(model, screen)} width={columns} />
      <LineView line={filterLine(model, list.filter)} width={columns} />
      <TableView table={table} cursor={list.cursor} width={columns} height={height} />
      <Lines lines={detailOf(model, view)} width={columns} height={detailRows(screen)} />
    </Box>
  );
}

/** The whole entry under the cursor, as far as there is room: `y` copies all of it. */
function detailOf(model: Model, { list, table }: ListView): Line[] {
  const { columns } = model.size;
  const { copies } = table.rows[Math.min(list.cursor, table.rows.length - 1)] ?? {};
  if (copies === undefined) return [];
  return [line('─'.repeat(columns), 'dim'), ...wrapped(copies, columns)];
}

function filterLine({ filtering }: Model, filter: string): Line {
  if (filtering) return [span('Find: ', 'key'), ...fieldLine(fieldOf(filter))];
  return filter === ''
    ? []
    : [span('Found with ', 'dim'), span(filter), span('; Esc shows all', 'dim')];
}

function titleOf({ stock }: Model, { name }: ListScreen): Line {
  switch (name) {
    case 'health': {
      const { value, loading, at } = stock.health;
      if (value === undefined) return line(loading ? 'Looking at everything …' : 'Health', 'title');
      const counted = concern.filter((state) => value.counts[state] > 0);
      const said = counted.map((state) => `${value.counts[state]} ${state}`).join(', ');
      const when = at === undefined ? '' : `, ${clock(at).slice(11)} UTC, again every 30 s`;
      return [
        span(said, value.state === 'ok' ? 'title' : (checkSign(value.state).tone ?? 'title')),
        span(loading ? ', looking again …' : when, 'dim'),
      ];
    }
    case 'journal': {
      const run = stock.journal.value?.run;
      if (run === undefined) return line('Events', 'title');
      return [
        span(`${run.title}: ${run.state}`, 'title'),
        span(`  by ${run.by.user}, ${run.entries} entries, the chain is whole`, 'dim'),
      ];
    }
    case 'batch': {
      const batch = stock.batch.value;
      return line(batch === undefined ? 'Batch' : `${batch.batchId}: ${batch.state}`, 'title');
    }
    case 'incidents':
      return line('Incidents that are not closed, the most urgent first', 'title');
    case 'incident': {
      const one = stock.incident.value;
      if (one === undefined) return line('Incident', 'title');
      const { incidentId, severity, status, owner, summary } = one;
      return [
        span(`#${incidentId} ${severity ?? '?'} ${status}: ${summary}`, 'title'),
        span(`  ${owner ?? 'nobody'}`, 'dim'),
      ];
    }
    case 'commands':
      return line('What was done here, as commands; y copies', 'title');
    case 'runs':
      return line('All runs of this state directory; Enter shows every event', 'title');
    case 'batches':
      return line('Batches of the lake, newest first', 'title');
  }
}
