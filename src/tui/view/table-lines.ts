import { windowStart } from '../state/list.js';
import { pad } from '../text.js';
import type { Line, Span } from './line.js';
import type { Column, Row, Table } from './table.js';

const gap = 2;

/** The least that a column without a width gets. */
const leastRest = 8;

/** Columns of the screen for each column of the table; those that do not fit get none. */
function columnWidths(columns: readonly Column[], width: number): number[] {
  const fixed = columns.map(({ width, least = leastRest }) => (width === 'rest' ? least : width));
  let sum = fixed.reduce((total, one) => total + one + gap, -gap);
  // The last ones say least: they go first, but never the one that takes the rest.
  for (let index = columns.length - 1; index > 0 && sum > width; index -= 1) {
    if (columns[index]?.width === 'rest') continue;
    sum -= (fixed[index] ?? 0) + gap;
    fixed[index] = 0;
  }
  const rest = columns.findIndex((column) => column.width === 'rest');
  if (rest !== -1) fixed[rest] = Math.max(leastRest, (fixed[rest] ?? 0) + width - sum);
  return fixed;
}

/** The cells side by side, each in its width. */
function rowLine(
  cells: readonly Span[],
  columns: readonly Column[],
  widths: readonly number[],
): Line {
  return cells.flatMap((cell, index): Span[] => {
    const width = widths[index] ?? 0;
    if (width === 0) return [];
    const align = columns[index]?.align ?? 'left';
    return [{ ...cell, text: pad(cell.text, width, align) }, { text: ' '.repeat(gap) }];
  });
}

export interface TableLines {
  head: Line;
  /** The rows in sight. */
  rows: readonly { line: Line; selected: boolean; row: Row }[];
  /** Position of the first of them, and how many there are in all. */
  start: number;
  count: number;
}

/** The part of a table that fits into `height` rows around the cursor. */
export function tableLines(
  table: Table,
  cursor: number,
  width: number,
  height: number,
): TableLines {
  const { columns, rows } = table;
  const widths = columnWidths(columns, width);
  const at = Math.min(cursor, rows.length - 1);
  const start = windowStart(at, rows.length, height);
  return {
    head: rowLine(
      columns.map(({ title }) => ({ text: title, tone: 'dim' })),
      columns,
      widths,
    ),
    rows: rows.slice(start, start + height).map((row, index) => ({
      line: rowLine(row.cells, columns, widths),
      selected: start + index === at,
      row,
    })),
    start,
    count: rows.length,
  };
}
