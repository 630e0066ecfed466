import { basename } from 'node:path';
import { invalid } from '../system/errors.js';
import type { Catalog, TableInfo } from './catalog.js';

/** A file of the `tables` format: which table it is, and which field feeds which column. */
export interface TableMatch {
  table: TableInfo;
  fields: { index: number; column: string }[];
}

/** What exports call the row number they put in front. */
const isIndexColumn = (name: string, index: number): boolean =>
  index === 0 && /^(|Unnamed: 0|index)$/.test(name.trim());

/** Names for a message: not all of a thousand, nor all of a long one. */
export const listed = (names: readonly string[]): string => {
  const shown = names
    .slice(0, 30)
    .map((name) => (name.length <= 60 ? name : `${name.slice(0, 60)}…`));
  return names.length <= 30 ? shown.join(', ') : `${shown.join(', ')}, …`;
};

const normal = (name: string): string => name.trim().toLowerCase();

/** The file's name without directories and endings: `exports/review.csv.gz` gives `review`. */
const stem = (path: string): string =>
  normal(
    basename(path)
      .replace(/\.gz$/i, '')
      .replace(/\.[^.]+$/, ''),
  );

/** How a header fits a table; undefined when a name is unknown or a required column is missing. */
function matchHeader(header: readonly string[], table: TableInfo): TableMatch | undefined {
  const fields: TableMatch['fields'] = [];
  for (const [index, name] of header.entries()) {
    const column = table.columns.find(
      (candidate) => candidate.name === name || candidate.name.toLowerCase() === normal(name),
    );
    if (column === undefined) {
      if (isIndexColumn(name, index)) continue;
      return undefined;
    }
    if (column.generated || fields.some((field) => field.column === column.name)) return undefined;
    fields.push({ index, column: column.name });
  }
  const given = new Set(fields.map((field) => field.column));
  const missing = table.columns.some(
    (column) =>
      column.notNull && !column.hasDefault && !column.generated && !given.has(column.name),
  );
  return fields.length === 0 || missing ? undefined : { table, fields };
}

/**
 * Finds the table of a file: the one it is named after when the header fits, else the only one
 * that the header fits. Undefined when none does. Error: `TABLE_AMBIGUOUS`.
 */
export function findTable(
  path: string,
  header: readonly string[],
  catalog: Catalog,
): TableMatch | undefined {
  const fits = [...catalog.tables.values()].flatMap((table) => matchHeader(header, table) ?? []);
  const name = stem(path);
  const named = fits.find((match) => match.table.name.toLowerCase() === name);
  if (named !== undefined) return named;
  if (fits.length > 1) {
    throw invalid(
      'TABLE_AMBIGUOUS',
      `The header of ${path} fits several tables: ${fits.map((match) => match.table.name).join(', ')}.`,
      { hint: 'Name the file after its table, such as review.csv.' },
    );
  }
  return fits[0];
}

/** Why no table fits, for the table the file is named after (or all of them). */
export function explainMisfit(path: string, header: readonly string[], catalog: Catalog): string {
  const named = [...catalog.tables.values()].find(
    (table) => table.name.toLowerCase() === stem(path),
  );
  if (named === undefined) {
    return `no table of schema "${catalog.schema}" has these columns (tables: ${listed([...catalog.tables.keys()])})`;
  }
  const known = named.columns.map((column) => column.name.toLowerCase());
  const unknown = header.filter(
    (name, index) => !known.includes(normal(name)) && !isIndexColumn(name, index),
  );
  const missing = named.columns.filter(
    (column) =>
      column.notNull &&
      !column.hasDefault &&
      !header.some((name) => normal(name) === column.name.toLowerCase()),
  );
  const parts = [
    unknown.length > 0 ? `table "${named.name}" has no column ${listed(unknown)}` : '',
    missing.length > 0
      ? `table "${named.name}" needs ${missing.map((column) => column.name).join(', ')}`
      : '',
  ].filter((part) => part !== '');
  return parts.length > 0 ? parts.join('; ') : `it does not fit table "${named.name}"`;
}
