import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { destroyFlags } from '../../cli/flags.js';
import { formatBytes } from '../../system/duration.js';

interface ResetResult {
  /** What is removed; null when there is nothing. */
  directory: string | null;
  bytes: number;
  /** False for a dry run, and when there was nothing. */
  removed: boolean;
}

export default class LocalReset extends ReviewopsCommand<ResetResult> {
  static override summary = 'Stop the embedded PostgreSQL server and delete its data.';
  static override description =
    'Everything in the embedded database is lost; the lake and a database of NEON_DB_URL are not touched. Asks for the name `local`; off a terminal it needs --confirm local.';
  static override examples = [
    '<%= config.bin %> local reset --dry-run',
    '<%= config.bin %> local reset --confirm local',
  ];
  static override flags = (({ plan: _, ...flags }) => flags)(destroyFlags);

  override async execute(context: CommandContext): Promise<ResetResult> {
    const { flags } = this.input(LocalReset);
    const { planReset, resetEmbedded } = await import('../../database/embedded/index.js');
    const { home, job } = context;
    const plan = await planReset({ home });
    if (flags['dry-run'] || plan.directory === null) return { ...plan, removed: false };
    await context.confirmDestruction(
      {
        what: `The embedded database in ${plan.directory} (${formatBytes(plan.bytes)}) will be deleted with all its data.`,
        name: 'local',
      },
      { confirm: flags.confirm },
    );
    const { directory, bytes } = await resetEmbedded({ home, ...job });
    return { directory, bytes, removed: directory !== null };
  }

  override render({ directory, bytes, removed }: ResetResult): string {
    if (directory === null) return 'There is no embedded database to delete.';
    const what = `${directory} (${formatBytes(bytes)})`;
    return removed ? `Deleted ${what}.` : `Would delete ${what}. Nothing was changed.`;
  }
}
