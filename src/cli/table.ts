import { stripVTControlCharacters } from 'node:util';
import { cut, pad, widthOf, wrap } from '../system/text-width.js';
import { paint, safeText, type Terminal } from './terminal.js';

export interface Column {
  name: string;
  align?: 'left' | 'right';
  /** Columns of the screen; longer cells are cut with `…`. */
  maxWidth?: number;
}

/** Between two columns. */
const gap = '  ';

/** A last column of text is broken into lines where it gets at least so many columns of the screen. */
const leastText = 20;

/**
 * A table as text, without lines; wide characters count as wide. Cells are data: line breaks in
 * them become spaces, control characters visible escapes.
 *
 * Where the screen is too narrow, the text of the last column goes on below itself; rows that would
 * fill more than two lines all the same are written as fields, one a line.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  terminal: Pick<Terminal, 'color'> & Partial<Pick<Terminal, 'width'>>,
): string {
  const { width: screen = Number.POSITIVE_INFINITY } = terminal;
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
  const before = widths.slice(0, -1).reduce((total, width) => total + width + gap.length, 0);
  const rest = screen - before;
  const isText = columns.at(-1)?.align !== 'right';
  const wide = before + (widths.at(-1) ?? 0) > screen;
  if (wide && isText && rest >= leastText) {
    return lines.map((line) => wrapLast(line, widths, columns, rest)).join('\n');
  }
  if (before + (widths.at(-1) ?? 0) > 2 * screen && rows.length > 0) {
    return body.map((row) => asFields(columns, row, terminal)).join('\n\n');
  }
  return lines.map((line) => aligned(line, widths, columns)).join('\n');
}

const aligned = (
  line: readonly string[],
  widths: readonly number[],
  columns: readonly Column[],
): string =>
  line
    .map((cell, index) => pad(cell, widths[index] ?? 0, columns[index]?.align))
    .join(gap)
    .trimEnd();

/** The last cell in lines of at most `rest` columns, each below the one before. */
function wrapLast(
  line: readonly string[],
  widths: readonly number[],
  columns: readonly Column[],
  rest: number,
): string {
  const cells = line.slice(0, -1);
  const text = line.at(-1) ?? '';
  const parts = widthOf(text) <= rest ? [text] : wrap(stripVTControlCharacters(text), rest);
  const lead = cells.map((cell, index) => pad(cell, widths[index] ?? 0, columns[index]?.align));
  const start = [...lead, parts[0]].join(gap).trimEnd();
  const indent = ' '.repeat(
    widths.slice(0, -1).reduce((sum, width) => sum + width + gap.length, 0),
  );
  return [start, ...parts.slice(1).map((part) => indent + part)].join('\n');
}

const asFields = (
  columns: readonly Column[],
  row: readonly string[],
  terminal: Pick<Terminal, 'color'>,
): string =>
  renderFields(
    columns.map(({ name }, index) => [name, row[index] ?? ''] as const),
    terminal,
  );

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
