import type { BatchState } from '../lake/batch-state.js';
import type { RestorePlan } from '../lake/restore.js';
import type { VerifyFinding } from '../lake/verify.js';
import { formatCount } from '../system/duration.js';
import { invalid } from '../system/errors.js';
import { renderTable } from './table.js';
import type { Terminal } from './terminal.js';

export interface RestoreResult extends RestorePlan {
  /** Objects that were brought back. */
  restored: number;
  /** Of the batch afterwards, every file hashed; null for a dry run. */
  state: BatchState | null;
  findings: VerifyFinding[];
}

/** What a restore found and did. */
export function restoreText(result: RestoreResult, terminal: Terminal): string {
  const outcome =
    result.state === null
      ? 'Nothing was changed.'
      : `${formatCount(result.restored)} objects were brought back; the batch is ${result.state}.`;
  const findings = result.findings.map(({ key, problem, hint }) => `${key}: ${problem}\n  ${hint}`);
  return [restorePlanText(result, terminal), '', outcome, ...findings].join('\n');
}

/** What can come back, layer by layer. */
export const restorePlanText = ({ layers }: RestorePlan, terminal: Terminal): string =>
  renderTable(
    [
      { name: 'layer' },
      { name: 'state' },
      { name: 'published' },
      { name: 'objects', align: 'right' },
      { name: 'problem' },
    ],
    layers
      .filter(({ state }) => state !== 'absent')
      .map(({ layer, state, publishedAt, objects, problem }) => [
        layer,
        state,
        publishedAt ?? '',
        formatCount(objects.length),
        problem ?? '',
      ]),
    terminal,
  );

/** The moment of --at. TIME_INVALID (exit 2). */
export function parseTime(text: string): Date {
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return time;
  throw invalid('TIME_INVALID', `"${text}" is not a time.`, {
    hint: 'Write it like 2026-01-31T23:59:59Z.',
  });
}
