import { Flags } from '@oclif/core';
import {
  type BatchPurgeResult,
  batchPurgeResult,
  batchPurgeText,
} from '../../cli/batch-purge-text.js';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { destroyFlags } from '../../cli/flags.js';
import { runPurge } from '../../cli/purge-command.js';
import type { Terminal } from '../../cli/terminal.js';

export default class BatchPurge extends ReviewopsCommand<BatchPurgeResult> {
  static override summary = 'Delete batches: old ones, corrupt ones, or those named.';
  static override description =
    `Each condition narrows: with several of them, a batch goes that meets all. Age is counted from the moment in the batch's id. Without any condition, those older than retention.batchDays (30 days) go.

The last complete batches (--keep-last), the one that the serving table holds, those that somebody works on and those on hold (\`batch hold\`) stay in any case; a named one of them is refused with status 3.

Asks for the word "batches" (for one named batch: its id) and the count. Off a terminal it needs --confirm with that word, or --plan with the hash that --dry-run prints.`;
  static override examples = [
    '<%= config.bin %> batch purge --dry-run',
    '<%= config.bin %> batch purge --older-than 30d --confirm batches',
    '<%= config.bin %> batch purge --batch-id 20260131_235959 --confirm 20260131_235959',
  ];
  static override flags = {
    'older-than': Flags.string({
      helpValue: 'AGE',
      description: 'Only batches of this age or more, such as 30d or 12h.',
    }),
    'batch-id': Flags.string({
      multiple: true,
      helpValue: 'ID',
      description: 'Only this batch; may be repeated.',
    }),
    corrupt: Flags.boolean({
      default: false,
      description: 'Only batches whose manifest or files are damaged.',
    }),
    'keep-last': Flags.integer({
      min: 0,
      description: 'How many of the newest complete batches stay (default retention.keepLast, 3).',
    }),
    versions: Flags.boolean({
      default: false,
      description: 'Remove old versions too, where the bucket keeps them.',
    }),
    rate: Flags.integer({ min: 0, description: 'Objects deleted in a second at most.' }),
    ...destroyFlags,
  };

  override async execute(context: CommandContext): Promise<BatchPurgeResult> {
    const { flags } = this.input(BatchPurge);
    const { 'older-than': olderThan, 'batch-id': batchIds, 'keep-last': keepLast, rate } = flags;
    const { result, plan } = await runPurge(
      context,
      'purge-batches',
      {
        ...(olderThan === undefined ? {} : { olderThan }),
        ...(batchIds === undefined ? {} : { batchIds }),
        ...(keepLast === undefined ? {} : { keepLast }),
        ...(rate === undefined ? {} : { rate }),
        corrupt: flags.corrupt,
        versions: flags.versions,
      },
      { dryRun: flags['dry-run'], confirm: flags.confirm, plan: flags.plan },
    );
    return batchPurgeResult(result, plan);
  }

  override render(result: BatchPurgeResult, terminal: Terminal): string {
    return batchPurgeText(result, terminal);
  }
}
