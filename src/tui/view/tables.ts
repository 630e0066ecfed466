import type { CheckState } from '../../health/check.js';
import type { CheckResult } from '../../health/runner.js';

import type { Runbook } from '../../runbooks/engine/definition.js';
import type { RunSummary } from '../../runbooks/engine/history.js';
import { searchRunbooks } from '../../runbooks/search.js';
import type { HomePanel, ListScreen, Model } from '../state/model.js';
import { describeEvent } from '../state/run.js';
import type { Tone } from '../theme.js';
import { batchesTable, batchTable } from './batch-tables.js';
import { incidentsTable, incidentTable } from './incident-tables.js';
import { span } from './line.js';
import { type Column, filtered, type Row, type Table, waitingFor } from './table.js';
import { ago, checkSign, clock, riskSpan, runSign, signSpan } from './words.js';

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
    columns: checkColumns('what', 16),
    rows: filtered(worstFirst(glance.value?.checks ?? []).map(checkRow), filter),
    empty: waitingFor(glance, 'Nothing was looked at yet.'),
  };
}

/** What has to be read first. */
export const concern: readonly CheckState[] = ['critical', 'warning', 'unknown', 'ok', 'skipped'];

/** Where there is no room for the runbook, the line above the keys names it. */
const checkColumns = (title: string, width: number): Column[] => [
  { title: 'state', width: 10 },
  { title, width },
  { title: 'found', width: 'rest', least: 38 },
  { title: 'runbook', width: 20 },
];

export const worstFirst = (checks: readonly CheckResult[]): CheckResult[] =>
  checks.toSorted((a, b) => concern.indexOf(a.state) - concern.indexOf(b.state));

/** The worst thing that is known, when a runbook cures it. */
export function worstCured({ stock: { glance } }: Model) {
  const [worst] = worstFirst(glance.value?.checks ?? []);
  if (worst?.state !== 'critical' || worst.runbook === null) return undefined;
  return { why: worst.next ?? worst.summary, runbook: worst.runbook.id };
}

export function checkRow({ name, state, summary, runbook, next }: CheckResult): Row {
  return {
    cells: [
      signSpan(checkSign(state)),
      span(name),
      span(summary),
      span(runbook?.id ?? '', 'accent'),
    ],
    ...opensOf(name, runbook),
    says: [runbook === null ? '' : `Enter opens ${runbook.id}`, summary, next ?? '']
      .filter((part) => part !== '')
      .map((part) => (part.endsWith('.') ? part : `${part}.`))
      .join(' '),
    copies: runbook?.command ?? next ?? summary,
  };
}

/** What cures it, or where more is said of it. */
function opensOf(name: string, runbook: CheckResult['runbook']): Pick<Row, 'opens'> {
  if (runbook !== null) return { opens: { to: 'runbook', id: runbook.id, input: runbook.input } };
  return name === 'incidents' ? { opens: { to: 'incidents' } } : {};
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
    case 'incidents':
      return incidentsTable(model, filter);
    case 'incident':
      return incidentTable(model, filter);
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
    columns: checkColumns('check', 21),
    rows: filtered(checks.map(checkRow), filter),
    empty: waitingFor(health, 'No check was made yet.'),
  };
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
