import { Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { changeFlags, destroyFlags } from '../../cli/flags.js';
import { requireSuccess, runRunbookCommand } from '../../cli/runbook-command.js';
import type { Terminal } from '../../cli/terminal.js';
import { type VacuumResult, vacuumResult, vacuumText } from '../../cli/vacuum-text.js';

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
    ...destroyFlags,
    ...changeFlags,
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
    return vacuumResult(report, dryRun === true);
  }

  override render(result: VacuumResult, terminal: Terminal): string {
    return vacuumText(result, terminal);
  }
}
