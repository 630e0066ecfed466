import { Box } from 'ink';
import type { ReactElement } from 'react';
import { pad, widthOf } from '../text.js';
import { line, span, textOf } from '../view/line.js';
import type { Table } from '../view/table.js';
import { tableLines } from '../view/table-lines.js';
import { LineView } from './lines.js';

interface TableViewProps {
  table: Table;
  cursor: number;
  width: number;
  /** Rows, the head not counted. */
  height: number;
  /** Whether the cursor is drawn: the keys move in this table. */
  active?: boolean;
}

/** A table of one line a row, around its cursor. */
export function TableView({
  table,
  cursor,
  width,
  height,
  active = true,
}: TableViewProps): ReactElement {
  const { head, rows, start, count } = tableLines(table, cursor, width - 2, height);
  const titles = textOf(head).trimEnd();
  const place = count > height ? `  ${start + 1}–${start + rows.length} of ${count}` : '';
  return (
    <Box flexDirection="column" width={width} height={height + 1}>
      <LineView
        line={[span(`${pad(`  ${titles}`, width - widthOf(place))}${place}`, 'dim')]}
        width={width}
      />
      {rows.length === 0 ? <LineView line={line(`  ${table.empty}`, 'dim')} width={width} /> : null}
      {rows.map(({ line: content, selected }, index) => (
        <LineView
          // biome-ignore lint/suspicious/noArrayIndexKey: the place in the list is the identity
          key={start + index}
          line={[span(selected && active ? '▸ ' : '  '), ...content]}
          width={width}
          tone={selected && active ? 'selected' : undefined}
        />
      ))}
    </Box>
  );
}
