import type { Blocker } from '../maintenance/vacuum-blockers.js';
import type { RunReport } from '../runbooks/engine/runner.js';
import { formatBytes, formatCount, formatSeconds } from '../system/duration.js';
import { renderTable } from './table.js';
import type { Terminal } from './terminal.js';

interface VacuumedTable {
  table: string;
  /** Null where the server's statistics do not say. */
  deadTuplesBefore: number | null;
  /** Null in a dry run. */
  deadTuplesAfter: number | null;
  bytesBefore: number;
  bytesAfter: number | null;
  /** Null in a dry run, and for what an earlier attempt of a resumed run has done. */
  seconds: number | null;
}

export interface VacuumResult {
  runId: string;
  planHash: string | null;
  dryRun: boolean;
  tables: VacuumedTable[];
  /** What keeps rows from being removed. */
  blockers: Blocker[];
  /** Of the plan: seconds it may take, bytes it may bring; null when unknown. */
  predicted: { seconds: number | null; gainBytes: number | null };
  notes: string[];
}

/** What a run of the runbook says of its tables. */
export function vacuumResult(report: RunReport, dryRun: boolean): VacuumResult {
  const step = (id: string) => report.steps.find((found) => found.id === id);
  const act = step('vacuum');
  const seconds = (act?.data?.seconds ?? {}) as Record<string, number>;
  const measured = (act?.verified?.evidence?.tables ?? []) as unknown as VacuumedTable[];
  const totals = report.plan?.totals ?? {};
  const planned = (totals.tables ?? []) as { table: string; deadTuples: number; bytes: number }[];
  return {
    runId: report.runId,
    planHash: report.planHash,
    dryRun,
    tables: planned.map(({ table, deadTuples, bytes }) => {
      const now = measured.find((entry) => entry.table === table);
      return {
        table,
        deadTuplesBefore: deadTuples,
        deadTuplesAfter: now?.deadTuplesAfter ?? null,
        bytesBefore: bytes,
        bytesAfter: now?.bytesAfter ?? null,
        seconds: seconds[table] ?? null,
      };
    }),
    blockers: (step('blockers')?.finding?.evidence?.blockers ?? []) as unknown as Blocker[],
    predicted: {
      seconds: (totals.predictedSeconds ?? null) as number | null,
      gainBytes: (totals.gainBytes ?? null) as number | null,
    },
    notes: report.plan?.notes ?? [],
  };
}

/** The tables before and after, with the notes of the plan. */
export function vacuumText(result: VacuumResult, terminal: Terminal): string {
  const { tables, dryRun, notes, planHash } = result;
  if (tables.length === 0 && notes.length === 0) {
    return 'No table has dead rows that are worth a vacuum.';
  }
  const count = (value: number | null) => (value === null ? 'unknown' : formatCount(value));
  const table = renderTable(
    [
      { name: 'table' },
      { name: 'dead rows', align: 'right' },
      { name: 'size', align: 'right' },
      ...(dryRun
        ? []
        : ([
            { name: 'dead after', align: 'right' },
            { name: 'size after', align: 'right' },
            { name: 'time', align: 'right' },
          ] as const)),
    ],
    tables.map((entry) => [
      entry.table,
      count(entry.deadTuplesBefore),
      formatBytes(entry.bytesBefore),
      ...(dryRun
        ? []
        : [
            count(entry.deadTuplesAfter),
            entry.bytesAfter === null ? 'unknown' : formatBytes(entry.bytesAfter),
            entry.seconds === null ? '' : formatSeconds(entry.seconds),
          ]),
    ]),
    terminal,
  );
  const lines = notes.map((note) => `- ${note}`);
  return [table, '', ...lines, ...(dryRun ? [`Plan ${planHash}; nothing was changed.`] : [])].join(
    '\n',
  );
}
