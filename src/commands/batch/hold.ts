import { Args, Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import type { BatchHold as Hold } from '../../maintenance/batch-holds.js';

export default class BatchHold extends ReviewopsCommand<Hold> {
  static override summary = 'Put a batch on hold: no purge deletes it until it is released.';
  static override description =
    'For a legal hold, or while somebody looks into a batch. The hold lies in the lake, so it counts for everybody who works on it.';
  static override examples = [
    '<%= config.bin %> batch hold 20260131_235959 --reason "request of the court, case 12"',
  ];
  static override args = {
    batch: Args.string({ required: true, description: 'Batch id.' }),
  };
  static override flags = {
    reason: Flags.string({ required: true, description: 'Why; shown to who tries to delete it.' }),
  };

  override async execute(context: CommandContext): Promise<Hold> {
    const { args, flags } = this.input(BatchHold);
    const { holdBatch } = await import('../../maintenance/batch-holds.js');
    return holdBatch(await context.lake(), args.batch, flags.reason, context.job);
  }

  override render({ batchId, reason }: Hold): string {
    return `Batch ${batchId} is on hold: ${reason}`;
  }
}
