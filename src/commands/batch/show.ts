import { Args } from '@oclif/core';
import { renderBatch } from '../../cli/batch-details-text.js';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import type { Terminal } from '../../cli/terminal.js';
import type { BatchDetails } from '../../lake/batches.js';

interface ShowResult {
  batches: BatchDetails[];
}

export default class BatchShow extends ReviewopsCommand<ShowResult> {
  static override summary = 'Show what a batch consists of and what it was made from.';
  static override description =
    'Its layers with tables, columns, files and hashes, the database snapshot, rejected rows by rule, and the settings it was made with. --json has every detail.';
  static override examples = ['<%= config.bin %> batch show 20260131_235959'];
  static override args = {
    batch: Args.string({ required: true, description: 'Batch id.' }),
  };

  override async execute(context: CommandContext): Promise<ShowResult> {
    const { args } = this.input(BatchShow);
    const { showBatch } = await import('../../lake/batches.js');
    return { batches: [await showBatch(await context.lake(), args.batch, context)] };
  }

  override render({ batches }: ShowResult, terminal: Terminal): string {
    return batches.map((batch) => renderBatch(batch, terminal)).join('\n');
  }
}
