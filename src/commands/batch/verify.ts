import { Args, Flags } from '@oclif/core';
import { renderVerified } from '../../cli/batch-verify-text.js';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import type { Terminal } from '../../cli/terminal.js';
import type { VerifyResult } from '../../lake/verify.js';
import { ExitCode, invalid } from '../../system/errors.js';

interface VerifyBatchesResult {
  batches: VerifyResult[];
}

export default class BatchVerify extends ReviewopsCommand<VerifyBatchesResult> {
  static override summary =
    'Prove batches: read every file again and compare it with its manifest.';
  static override description =
    'Compares hashes, sizes, rows and columns of all files and the hashes of the layers they were made from, and finds files that no manifest names. Exit status 1 when it finds something.';
  static override examples = [
    '<%= config.bin %> batch verify 20260131_235959',
    '<%= config.bin %> batch verify --all --json',
  ];
  static override strict = false;
  static override args = {
    batch: Args.string({ description: 'Batch id; several may be given.' }),
  };
  static override flags = {
    all: Flags.boolean({ default: false, description: 'Every batch of the lake.' }),
  };

  override async execute(context: CommandContext): Promise<VerifyBatchesResult> {
    const lake = await context.lake();
    const { verifyBatch } = await import('../../lake/verify.js');
    const scratch = await context.scratch();
    const batches: VerifyResult[] = [];
    for (const batchId of await this.#batchIds(context)) {
      batches.push(await verifyBatch(lake, batchId, { ...context.job, scratch }));
    }
    return { batches };
  }

  async #batchIds(context: CommandContext): Promise<string[]> {
    const { argv, flags } = this.input(BatchVerify);
    if (flags.all === argv.length > 0) {
      throw invalid('BATCH_UNCLEAR', 'Which batches should be verified?', {
        hint: 'Name one or more, or give --all; `reviewops batch list` shows what is there.',
      });
    }
    if (!flags.all) return [...new Set(argv)];
    const { batchIds } = await import('../../lake/published.js');
    return batchIds(await context.lake());
  }

  protected override exitCode({ batches }: VerifyBatchesResult): ExitCode {
    return batches.some(({ findings }) => findings.length > 0) ? ExitCode.failed : ExitCode.done;
  }

  override render({ batches }: VerifyBatchesResult, terminal: Terminal): string {
    return renderVerified(batches, terminal);
  }
}
