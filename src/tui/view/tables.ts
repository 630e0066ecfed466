import type { CheckState } from '../../health/check.js';
import type { CheckResult } from '../../health/runner.js';
import type { BatchProblem } from '../../lake/batch-state.js';
import type { Layer } from '../../lake/lake.js';
import type { Inputs, Runbook } from '../../runbooks/engine/definition.js';
import type { RunSummary } from '../../runbooks/engine/history.js';
import { searchRunbooks } from '../../runbooks/search.js';
import { formatBytes, formatCount } from '../../system/duration.js';
import { matches } from '../state/list.js';
import type { HomePanel, ListScreen, Loaded, Model } from '../state/model.js';
import { describeEvent } from '../state/run.js';
import type { Tone } from '../theme.js';
import { type Span, span } from './line.js';
import { ago, batchSign, checkSign, clock, riskSpan, runSign, signSpan } from './words.js';

export interface Column {
  title: string;
  /** Columns of the screen; `rest` shares what is left. */
  width: number | 'rest';
  align?: 'right';
}

export interface Row {
  cells: readonly Span[];
  /** What Enter does with it. */
  opens?: Target;
  /** What its cells may have no room for. */
  says?: string;
  /** What `y` copies. */
  copies?: string | undefined;
}

export type Target =
  | { to: 'runbook'; id: string; input: Inputs }
  | { to: 'run'; runId: string; resumable: boolean }
  | { to: 'batch'; batchId: string };

export interface Table {
  columns: readonly Column[];
  rows: readonly Row[];
  /** Said in place of rows. */
  empty: string;
}

const waitingFor = ({ loading, error }: Loaded<unknown>, none: string): string =>
  error ?? (loading ? 'Looking …' : none);

const filtered = (rows: readonly Row[], filter: string): Row[] =>
  rows.filter(({ cells }) =>
    matches(
      filter,
      cells.map(({ text }) => text),
    ),
  );

/** What a panel of the first screen holds. */
export function homeTable(model: Model, panel: HomePanel, filter: string): Table {
  switch (panel) {
    case 'system':
      return systemTable(model, filter);
    case 'runbooks':
      return runbookTable(model, filter);
    case 'unfinished':
      return runTable(model, filter, unfinished(model), 'No run is unfinished.');
    case 'recent':
      return runTable(model, filter, model.stock.runs.value?.runs ?? [], 'No run yet.');
  }
}

/** Runs that somebody has to go on with. */
export const unfinished = ({ stock }: Model): RunSummary[] =>
  (stock.runs.value?.runs ?? []).filter(({ state }) =>
    ['waiting', 'failed', 'interrupted'].includes(state),
  );

function systemTable({ stock: { glance } }: Model, filter: string): Table {
  return {
    columns: [
      { title: 'state', width: 10 },
      { title: 'what', width: 18 },
      { title: 'found', width: 'rest' },
      { title: 'runbook', width: 20 },
    ],
    rows: filtered(worstFirst(glance.value?.checks ?? []).map(checkRow), filter),
    empty: waitingFor(glance, 'Nothing was looked at yet.'),
  };
}

const concern: readonly CheckState[] = ['critical', 'warning', 'unknown', 'ok', 'skipped'];

const worstFirst = (checks: readonly CheckResult[]): CheckResult[] =>
  checks.toSorted((a, b) => concern.indexOf(a.state) - concern.indexOf(b.state));

/** The worst thing that is known, when a runbook cures it. */
export function worstCured({ stock: { glance } }: Model) {
  const [worst] = worstFirst(glance.value?.checks ?? []);
  if (worst?.state !== 'critical' || worst.runbook === null) return undefined;
  return { summary: worst.summary, runbook: worst.runbook.id };
}

function checkRow({ name, state, summary, runbook, next }: CheckResult): Row {
  return {
    cells: [
      signSpan(checkSign(state)),
      span(name),
      span(summary),
      span(runbook?.id ?? next ?? '', 'accent'),
    ],
    ...(runbook === null ? {} : { opens: { to: 'runbook', id: runbook.id, input: runbook.input } }),
    says: next === null ? summary : `${summary}. ${next}`,
    copies: runbook?.command ?? next ?? summary,
  };
}

function runbookTable({ stock: { runbooks } }: Model, query: string): Table {
  const all = runbooks.value ?? [];
  const found: { runbook: Runbook; symptom?: string | undefined }[] =
    query.trim() === '' ? all.map((runbook) => ({ runbook })) : searchRunbooks(all, query);
  return {
    columns: [
      { title: 'runbook', width: 22 },
      { title: 'risk', width: 8 },
      { title: query.trim() === '' ? 'cures' : 'you see', width: 'rest' },
    ],
    rows: found.map(({ runbook, symptom }) => ({
      cells: [span(runbook.id, 'accent'), riskSpan(runbook.risk), span(symptom ?? runbook.title)],
      opens: { to: 'runbook', id: runbook.id, input: {} },
      copies: `reviewops runbook run ${runbook.id}`,
    })),
    empty: waitingFor(
      runbooks,
      'No runbook fits. Try other words: what you see, or a part of the error.',
    ),
  };
}

function runTable(
  { now, stock: { runs } }: Model,
  filter: string,
  shown: readonly RunSummary[],
  none: string,
): Table {
  return {
    columns: [
      { title: 'state', width: 14 },
      { title: 'runbook', width: 21 },
      { title: 'started', width: 12 },
      { title: 'by', width: 9 },
      { title: 'reason', width: 'rest' },
    ],
    rows: filtered(
      shown.map((run) => ({
        cells: [
          signSpan(runSign(run.state)),
          span(run.dryRun ? `${run.runbook} (dry)` : run.runbook),
          span(ago(run.startedAt, now), 'dim'),
          span(run.by.user, 'dim'),
          span(
            run.due === null
              ? (run.reason ?? run.runId)
              : `from ${clock(run.due)}: ${run.reason ?? ''}`,
          ),
        ],
        opens: {
          to: 'run',
          runId: run.runId,
          resumable: ['waiting', 'failed', 'interrupted'].includes(run.state),
        },
        copies: `reviewops runbook history ${run.runId}`,
      })),
      filter,
    ),
    empty: waitingFor(runs, none),
  };
}

/** What a screen that is one list holds. */
export function listTable(model: Model, { name, list: { filter } }: ListScreen): Table {
  switch (name) {
    case 'health':
      return healthTable(model, filter);
    case 'runs':
      return runTable(model, filter, model.stock.runs.value?.runs ?? [], 'No run yet.');
    case 'batches':
      return batchesTable(model, filter);
    case 'batch':
      return batchTable(model, filter);
    case 'journal':
      return journalTable(model, filter);
    case 'commands':
      return commandsTable(model, filter);
  }
}

function healthTable({ stock: { health } }: Model, filter: string): Table {
  const checks = worstFirst(health.value?.checks ?? []);
  return {
    columns: [
      { title: 'state', width: 10 },
      { title: 'check', width: 21 },
      { title: 'found', width: 'rest' },
      { title: 'runbook', width: 20 },
    ],
    rows: filtered(checks.map(checkRow), filter),
    empty: waitingFor(health, 'No check was made yet.'),
  };
}

function batchesTable({ stock: { batches } }: Model, filter: string): Table {
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

function batchTable({ stock: { batch } }: Model, filter: string): Table {
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

function journalTable({ stock: { journal } }: Model, filter: string): Table {
  const tones: Record<string, Tone | undefined> = { good: 'good', caution: 'caution', bad: 'bad' };
  return {
    columns: [
      { title: '#', width: 4, align: 'right' },
      { title: 'at (UTC)', width: 19 },
      { title: 'event', width: 18 },
      { title: 'what', width: 'rest' },
    ],
    rows: filtered(
      (journal.value?.entries ?? []).map(({ seq, at, event, hash }) => {
        const said = describeEvent(event);
        return {
          cells: [
            span(String(seq), 'dim'),
            span(clock(at), 'dim'),
            span(event.type),
            span(said?.text ?? '', tones[said?.tone ?? '']),
          ],
          copies: `${seq} ${at} ${hash} ${JSON.stringify(event)}`,
        };
      }),
      filter,
    ),
    empty: waitingFor(journal, 'The journal is empty.'),
  };
}

function commandsTable({ commands }: Model, filter: string): Table {
  return {
    columns: [{ title: 'command', width: 'rest' }],
    rows: filtered(
      commands.toReversed().map((command) => ({
        cells: [span(command, 'command')],
        copies: command,
      })),
      filter,
    ),
    empty: 'Nothing was done here yet.',
  };
}
