import type { BatchProblem } from '../../lake/batch-state.js';
import type { Layer } from '../../lake/lake.js';
import { formatBytes, formatCount } from '../../system/duration.js';
import type { Model } from '../state/model.js';
import { span } from './line.js';
import { filtered, type Row, type Table, waitingFor } from './table.js';
import { batchSign, clock, signSpan } from './words.js';

/** The batches of the lake. */
export function batchesTable({ stock: { batches } }: Model, filter: string): Table {
  const rows = (batches.value ?? []).map((batch): Row => {
    const [first] = batch.problems;
    return {
      cells: [
        span(batch.batchId, 'accent'),
        signSpan(batchSign(batch.state)),
        span(batch.layers.join(' ')),
        span(formatCount(batch.rows)),
        span(formatBytes(batch.bytes)),
        span(first === undefined ? '' : `${first.problem}${more(batch.problems.length)}`),
      ],
      opens: { to: 'batch', batchId: batch.batchId },
      copies: `reviewops batch show ${batch.batchId}`,
    };
  });
  return {
    columns: [
      { title: 'batch', width: 18 },
      { title: 'state', width: 11 },
      { title: 'layers', width: 22 },
      { title: 'rows', width: 9, align: 'right' },
      { title: 'size', width: 9, align: 'right' },
      { title: 'problem', width: 'rest' },
    ],
    rows: filtered(rows, filter),
    empty: waitingFor(batches, 'No batch yet: `reviewops pipeline run` makes one.'),
  };
}

const more = (count: number): string => (count > 1 ? ` (and ${count - 1} more)` : '');

/** What is wrong with a batch, and what is published of it. */
export function batchTable({ stock: { batch } }: Model, filter: string): Table {
  const details = batch.value;
  const files = (details?.manifests ?? []).flatMap(({ layer, createdAt, tables }) =>
    tables.map(
      (table): Row => ({
        cells: [
          span(layer, 'accent'),
          span(table.name),
          span(formatCount(table.rows)),
          span(formatBytes(table.files.reduce((sum, { bytes }) => sum + bytes, 0))),
          span(clock(createdAt), 'dim'),
        ],
        copies: table.files.map(({ key }) => key).join(' '),
      }),
    ),
  );
  const problems = (details?.problems ?? []).map(
    ({ kind, layer, problem, hint }): Row => ({
      opens: {
        to: 'runbook',
        id: cureOf(kind, layer),
        input: { batchId: details?.batchId },
      },
      cells: [
        span(layer, 'bad'),
        span('problem', 'bad'),
        span(''),
        span(''),
        span(`${problem}. ${hint}`),
      ],
      says: `${problem}. ${hint}`,
      copies: hint,
    }),
  );
  return {
    columns: [
      { title: 'layer', width: 8 },
      { title: 'table', width: 20 },
      { title: 'rows', width: 10, align: 'right' },
      { title: 'size', width: 10, align: 'right' },
      { title: 'published', width: 'rest' },
    ],
    rows: filtered([...problems, ...files], filter),
    empty: waitingFor(batch, 'Nothing is published of it.'),
  };
}

/** The runbook for a problem of a batch. */
function cureOf(kind: BatchProblem['kind'], layer: Layer): string {
  if (kind === 'damaged-file' || kind === 'damaged-manifest') return 'corrupt-batch';
  if (layer === 'gold') return 'gold-incomplete';
  return layer === 'silver' ? 'silver-missing' : 'parquet-not-found';
}
