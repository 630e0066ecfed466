import type { StatusReport } from '../credentials/status.js';
import { renderTable } from './table.js';
import { paint, type Style, type Terminal } from './terminal.js';

const styles: Partial<Record<string, Style>> = {
  ok: 'green',
  warning: 'yellow',
  unknown: 'yellow',
  critical: 'red',
};

/** A line for each credential, and the rotations that are under way. */
export function credentialsText(
  { credentials, rotations }: StatusReport,
  terminal: Terminal,
): string {
  if (credentials.length === 0) {
    return 'There is nothing to rotate: the database is embedded, and the lake is on this machine.';
  }
  const table = renderTable(
    [
      { name: 'state' },
      { name: 'kind' },
      { name: 'id' },
      { name: 'age', align: 'right' },
      { name: 'last used' },
      { name: 'next rotation' },
      { name: '' },
    ],
    credentials.map(({ state, kind, id, ageDays, lastUsedAt, nextDue, summary }) => [
      paint(terminal, styles[state] ?? 'dim', state),
      kind,
      id,
      ageDays === null ? '' : `${Math.floor(ageDays)} d`,
      lastUsedAt ?? '',
      nextDue?.slice(0, 10) ?? '',
      summary,
    ]),
    terminal,
  );
  const lines = rotations.map(({ kind, from, to, state, reason, runId, due }) => {
    const when = due === null ? '' : ` Due ${due}.`;
    return `Under way: ${kind}, ${from} → ${to ?? 'a new one'} (${state}, ${runId}). ${reason ?? ''}${when}\nnext: reviewops credentials rotate ${kind} --continue`;
  });
  return [table, ...(lines.length === 0 ? [] : ['', ...lines])].join('\n');
}
