import Table from 'cli-table3';
import { paint, safeText, type Terminal } from './terminal.js';

export interface Column {
  name: string;
  align?: 'left' | 'right';
  /** Columns of the screen; longer cells are cut with `…`. */
  maxWidth?: number;
}

const noLines = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

const gap = 2;

/**
 * A table as text, without lines; wide characters count as wide. Cells are data: line breaks in
 * them become spaces, control characters visible escapes.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  terminal: Pick<Terminal, 'color'>,
): string {
  const cells = rows.map((row) => row.map((cell) => oneLine(cell, terminal.color)));
  const table = new Table({
    chars: noLines,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
    head: columns.map((column) => paint(terminal, 'bold', column.name)),
    colAligns: columns.map((column) => column.align ?? 'left'),
    colWidths: columns.map((column) => column.maxWidth ?? null),
    truncate: '…',
  });
  table.push(...cells.map((row) => [...row]));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Two columns without a head: names and what they are. */
export function renderFields(
  fields: readonly (readonly [name: string, value: string])[],
  terminal: Pick<Terminal, 'color'>,
): string {
  const width = Math.max(0, ...fields.map(([name]) => name.length)) + gap;
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
