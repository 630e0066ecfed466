import type { JournalEntry } from '../runbooks/engine/events.js';
import type { RunSummary } from '../runbooks/engine/history.js';
import { formatSeconds } from '../system/duration.js';
import { renderTable } from './table.js';
import { paint, type Terminal } from './terminal.js';

/** Every entry of a journal whose chain is whole, one a line. */
export function journalText(entries: readonly JournalEntry[], terminal: Terminal): string {
  const lines = entries.map(
    ({ seq, at, event }) =>
      `${String(seq).padStart(3)} ${at} ${paint(terminal, 'bold', event.type)} ${eventText(event)}`,
  );
  return [...lines, '', `The chain of ${entries.length} entries is whole.`].join('\n');
}

/** The runs as a table. */
export const runsText = (runs: readonly RunSummary[], terminal: Terminal): string =>
  renderTable(
    [
      { name: 'run' },
      { name: 'runbook' },
      { name: 'state' },
      { name: 'by' },
      { name: 'started' },
      { name: 'time', align: 'right' },
      { name: 'reason', maxWidth: 60 },
    ],
    runs.map((run) => [
      run.runId,
      run.runbook,
      run.dryRun ? `${run.state} (dry run)` : run.state,
      run.by.user,
      run.startedAt.slice(0, 19).replace('T', ' '),
      run.seconds === null ? '' : formatSeconds(run.seconds),
      run.reason ?? '',
    ]),
    terminal,
  );

/** What an event says beside its type, on one line. */
function eventText(event: JournalEntry['event']): string {
  if (event.type === 'step.finished') {
    const { id, state, summary } = event.result;
    return `${id} ${state}: ${summary}`;
  }
  if (event.type === 'plan.made') return `${event.step} ${event.hash}: ${event.plan.summary}`;
  const { type: _type, ...rest } = event;
  return JSON.stringify(rest);
}
