import { Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { destroyFlags } from '../../cli/flags.js';
import { type PurgeResult, purgeLines, runPurge } from '../../cli/purge-command.js';
import { renderTable } from '../../cli/table.js';
import type { Terminal } from '../../cli/terminal.js';
import { formatBytes, formatCount } from '../../system/duration.js';

interface LogsPurgeResult extends PurgeResult {
  /** By place (`lake`, or `local` for what killed runs left) and month. */
  groups: { place: string; month: string; objects: number; bytes: number }[];
  /** Always empty, logs being of no batch; for scripts that read the results of both purges. */
  batches: [];
}

export default class LogsPurge extends ReviewopsCommand<LogsPurgeResult> {
  static override summary = 'Delete old logs of runs.';
  static override description =
    'In the lake, and what killed runs left in the state directory; age is counted from when a log was last written. last_run_metrics.json and the journals of runbooks stay. Asks for the word "logs" and the count; off a terminal it needs --confirm logs, or --plan with the hash that --dry-run prints.';
  static override examples = [
    '<%= config.bin %> logs purge --dry-run',
    '<%= config.bin %> logs purge --older-than 90d --confirm logs',
  ];
  static override flags = {
    'older-than': Flags.string({
      helpValue: 'AGE',
      description: 'Age from which logs go, such as 30d (default retention.logDays).',
    }),
    rate: Flags.integer({ min: 0, description: 'Objects deleted in a second at most.' }),
    ...destroyFlags,
  };

  override async execute(context: CommandContext): Promise<LogsPurgeResult> {
    const { flags } = this.input(LogsPurge);
    const { 'older-than': olderThan, rate } = flags;
    const { result, plan } = await runPurge(
      context,
      'purge-logs',
      {
        ...(olderThan === undefined ? {} : { olderThan }),
        ...(rate === undefined ? {} : { rate }),
      },
      { dryRun: flags['dry-run'], confirm: flags.confirm, plan: flags.plan },
    );
    return {
      ...result,
      batches: [],
      groups: plan.targets.map(({ state }) => ({
        place: String(state.place),
        month: String(state.month),
        objects: Number(state.objects),
        bytes: Number(state.bytes),
      })),
    };
  }

  override render(result: LogsPurgeResult, terminal: Terminal): string {
    const { groups } = result;
    const table = renderTable(
      [
        { name: 'place' },
        { name: 'month' },
        { name: 'logs', align: 'right' },
        { name: 'size', align: 'right' },
      ],
      groups.map(({ place, month, objects, bytes }) => [
        place,
        month,
        formatCount(objects),
        formatBytes(bytes),
      ]),
      terminal,
    );
    const lines = purgeLines(result, groups.length);
    return [...(groups.length === 0 ? [] : [table, '']), ...lines].join('\n');
  }
}
