import type { VerifyResult } from '../lake/verify.js';
import { formatBytes, formatCount, formatSeconds } from '../system/duration.js';
import { stateStyle } from './batch-state-style.js';
import { renderTable } from './table.js';
import { paint, type Terminal } from './terminal.js';

/** A line for each batch, and what was found in them. */
export function renderVerified(batches: readonly VerifyResult[], terminal: Terminal): string {
  if (batches.length === 0) return 'There is no batch to verify.';
  const table = renderTable(
    [
      { name: 'batch' },
      { name: 'state' },
      { name: 'files', align: 'right' },
      { name: 'size', align: 'right' },
      { name: 'time', align: 'right' },
      { name: 'findings', align: 'right' },
    ],
    batches.map((batch) => [
      batch.batchId,
      paint(terminal, stateStyle(batch.state), batch.state),
      formatCount(batch.files),
      formatBytes(batch.bytes),
      formatSeconds(batch.seconds),
      formatCount(batch.findings.length),
    ]),
    terminal,
  );
  const findings = batches
    .flatMap((batch) => batch.findings)
    .map(({ key, problem, hint }) => `${key}: ${problem}\n  ${hint}`);
  return findings.length === 0 ? table : [table, '', ...findings].join('\n');
}
