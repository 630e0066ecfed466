import { Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { changeFlags, destroyFlags } from '../../cli/flags.js';
import { requireSuccess, runRunbookCommand } from '../../cli/runbook-command.js';
import { renderTable } from '../../cli/table.js';
import type { Terminal } from '../../cli/terminal.js';
import type { Blocker } from '../../maintenance/vacuum-blockers.js';
import { formatBytes, formatCount, formatSeconds } from '../../system/duration.js';

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

interface VacuumResult {
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

export default class DbVacuum extends ReviewopsCommand<VacuumResult> {
  static override summary = 'Vacuum and analyse tables with dead rows, and make a checkpoint.';
  static override description =
    `Without --table it takes the tables with dead rows that are worth it (maintenance.deadTuples, deadTuplePercent, tinyTableKilobytes). First it names who keeps dead rows alive; at the end it measures again, and it fails when nothing was removed.

VACUUM, ANALYZE and CHECKPOINT are done unless --no-analyze or --no-checkpoint; a checkpoint only where the role may make one. A plain vacuum lets readers and writers go on and needs --yes off a terminal. --full writes tables anew and locks them: it needs the typed name, --confirm tables (for one table: its name as given), or --plan.`;
  static override examples = [
    '<%= config.bin %> db vacuum --dry-run',
    '<%= config.bin %> db vacuum --table review --refresh-views --yes',
    '<%= config.bin %> db vacuum --full --table review --confirm review',
  ];
  static override flags = {
    table: Flags.string({
      multiple: true,
      helpValue: 'TABLE',
      description: 'Only this table, whatever its state; may be repeated.',
    }),
    full: Flags.boolean({
      default: false,
      description: 'Write the tables anew and give their space back; locks them meanwhile.',
    }),
    analyze: Flags.boolean({
      default: true,
      allowNo: true,
      description: 'Gather the planner’s statistics.',
    }),
    checkpoint: Flags.boolean({
      default: true,
      allowNo: true,
      description: 'Make a checkpoint at the end.',
    }),
    'refresh-views': Flags.boolean({
      default: false,
      description: 'Refresh the materialised views, concurrently where they allow it.',
    }),
    ...changeFlags,
    ...destroyFlags,
  };

  override async execute(context: CommandContext): Promise<VacuumResult> {
    const { flags } = this.input(DbVacuum);
    const { table: tables, analyze, checkpoint, yes, confirm, plan } = flags;
    const dryRun = flags['dry-run'];
    const report = await runRunbookCommand(
      context,
      flags.full ? 'vacuum-full' : 'vacuum',
      {
        ...(tables === undefined ? {} : { tables }),
        analyze,
        checkpoint,
        refreshViews: flags['refresh-views'],
      },
      { dryRun, yes, confirm, plan },
    );
    requireSuccess(report);
    const step = (id: string) => report.steps.find((found) => found.id === id);
    const act = step('vacuum');
    const seconds = (act?.data?.seconds ?? {}) as Record<string, number>;
    const measured = (act?.verified?.evidence?.tables ?? []) as unknown as VacuumedTable[];
    const totals = report.plan?.totals ?? {};
    const planned = (totals.tables ?? []) as { table: string; deadTuples: number; bytes: number }[];
    return {
      runId: report.runId,
      planHash: report.planHash,
      dryRun: dryRun === true,
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

  override render({ tables, dryRun, notes, planHash }: VacuumResult, terminal: Terminal): string {
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
    return [
      table,
      '',
      ...lines,
      ...(dryRun ? [`Plan ${planHash}; nothing was changed.`] : []),
    ].join('\n');
  }
}
