import type { ImportResult } from '../import/job.js';
import { formatCount, formatSeconds } from '../system/duration.js';
import { renderTable } from './table.js';
import type { Terminal } from './terminal.js';

/** What an import did, as text: its counts, then the new rows of each table. */
export function renderImport(result: ImportResult, terminal: Terminal): string {
  const counts = `${formatCount(result.loaded)} loaded, ${formatCount(result.rejected)} rejected, ${formatCount(result.folded)} folded`;
  const lines = [
    `Imported ${formatCount(result.read)} records (${result.format}) in ${formatSeconds(result.seconds)}: ${counts}.`,
  ];
  if (result.read > 0 && result.folded === result.read) {
    lines.push('All of it was in the database already; nothing was changed.');
  }
  const tables = renderTable(
    [{ name: 'table' }, { name: 'new rows', align: 'right' }],
    result.tables.map(({ table, rows }) => [table, formatCount(rows)]),
    terminal,
  );
  return [...lines, '', tables].join('\n');
}

/** Where the records are that were not loaded. */
export const rejectsNote = ({ rejected, rejectsFile }: ImportResult): string =>
  `${formatCount(rejected)} ${rejected === 1 ? 'record was' : 'records were'} rejected: see ${rejectsFile} (it holds personal data).`;
