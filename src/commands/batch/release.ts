import { Args } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { changeFlags } from '../../cli/flags.js';
import type { BatchHold } from '../../maintenance/batch-holds.js';

interface ReleaseResult {
  batchId: string;
  /** The hold that ended; null when there was none. */
  released: BatchHold | null;
}

export default class BatchRelease extends ReviewopsCommand<ReleaseResult> {
  static override summary = 'End the hold on a batch: purges may delete it again.';
  static override examples = ['<%= config.bin %> batch release 20260131_235959 --yes'];
  static override args = {
    batch: Args.string({ required: true, description: 'Batch id.' }),
  };
  static override flags = changeFlags;

  override async execute(context: CommandContext): Promise<ReleaseResult> {
    const { args, flags } = this.input(BatchRelease);
    const { findHold, releaseBatch } = await import('../../maintenance/batch-holds.js');
    const { checkBatchId } = await import('../../lake/layout.js');
    const batchId = checkBatchId(args.batch);
    const lake = await context.lake();
    const hold = await findHold(lake, batchId);
    if (hold === undefined) return { batchId, released: null };
    const { user, host } = hold.by;
    await context.confirmChange(
      `Batch ${batchId} is on hold by ${user}@${host}: ${hold.reason}. It will be released.`,
      { yes: flags.yes },
    );
    return { batchId, released: await releaseBatch(lake, batchId) };
  }

  override render({ batchId, released }: ReleaseResult): string {
    return released === null
      ? `Batch ${batchId} is not on hold.`
      : `Batch ${batchId} is released; it was on hold: ${released.reason}`;
  }
}
