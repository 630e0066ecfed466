import { stripVTControlCharacters } from 'node:util';
import { cut, pad, widthOf } from '../system/text-width.js';
import { paint, safeText, type Terminal } from './terminal.js';

export interface Column {
  name: string;
  align?: 'left' | 'right';
  /** Columns of the screen; longer cells are cut with `…`. */
  maxWidth?: number;
}

/** Between two columns. */
const gap = '  ';

/**
 * A table as text, without lines; wide characters count as wide. Cells are data: line breaks in
 * them become spaces, control characters visible escapes.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  terminal: Pick<Terminal, 'color'>,
): string {
  const head = columns.map((column) => paint(terminal, 'bold', column.name));
  const body = rows.map((row) =>
    columns.map(({ maxWidth }, index) =>
      bounded(oneLine(row[index] ?? '', terminal.color), maxWidth),
    ),
  );
  const lines = [head, ...body];
  const widths = columns.map((_, index) =>
    lines.reduce((most, line) => Math.max(most, widthOf(line[index] ?? '')), 0),
  );
  const align = (cell: string, index: number) =>
    pad(cell, widths[index] ?? 0, columns[index]?.align);
  return lines.map((line) => line.map(align).join(gap).trimEnd()).join('\n');
}

/** Colour codes are no text to be cut: a cell that is too long loses them. */
const bounded = (cell: string, width = Number.POSITIVE_INFINITY): string =>
  widthOf(cell) <= width ? cell : cut(stripVTControlCharacters(cell), width);

/** Two columns without a head: names and what they are. */
export function renderFields(
  fields: readonly (readonly [name: string, value: string])[],
  terminal: Pick<Terminal, 'color'>,
): string {
  const width = Math.max(0, ...fields.map(([name]) => name.length)) + gap.length;
  return fields
    .map(([name, value]) => {
      const padded = name.padEnd(width);
      return `${paint(terminal, 'dim', padded)}${oneLine(value, terminal.color)}`.trimEnd();
    })
    .join('\n');
}

/** Text for one line of the screen. */
export const oneLine = (text: string, color = false): string =>
  safeText(text.replace(/[\r\n\t]+/g, ' '), color);
