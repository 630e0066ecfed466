import { formatBytes, formatCount } from '../system/duration.js';
import { type PurgePlan, type PurgeResult, purgeLines } from './purge-command.js';
import { renderTable } from './table.js';
import type { Terminal } from './terminal.js';

interface PurgedBatch {
  batchId: string;
  layers: string[];
  objects: number;
  bytes: number;
  createdAt: string;
  /** What was planned for it and why. */
  action: string;
}

export interface BatchPurgeResult extends PurgeResult {
  batches: PurgedBatch[];
  /** Those that were asked for and stay. */
  kept: { batchId: string; why: string }[];
}

/** The result of a purge, with the batches of its plan. */
export const batchPurgeResult = (result: PurgeResult, plan: PurgePlan): BatchPurgeResult => ({
  ...result,
  batches: plan.targets.map(({ name, action, state }) => ({
    batchId: name,
    layers: state.layers as string[],
    objects: Number(state.objects),
    bytes: Number(state.bytes),
    createdAt: String(state.createdAt),
    action,
  })),
  kept: (plan.totals.kept ?? []) as BatchPurgeResult['kept'],
});

/** The batches that go or went. */
export function batchPurgeText(result: BatchPurgeResult, terminal: Terminal): string {
  const { batches } = result;
  const lines = purgeLines(result, batches.length);
  if (batches.length === 0) return lines.join('\n');
  const table = renderTable(
    [
      { name: 'batch' },
      { name: 'layers' },
      { name: 'objects', align: 'right' },
      { name: 'size', align: 'right' },
      { name: 'action' },
    ],
    batches.map(({ batchId, layers, objects, bytes, action }) => [
      batchId,
      layers.join(' '),
      formatCount(objects),
      formatBytes(bytes),
      action,
    ]),
    terminal,
  );
  return [table, '', ...lines].join('\n');
}
