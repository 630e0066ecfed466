import { Flags } from '@oclif/core';
import { stateStyle } from '../../cli/batch-state-style.js';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { renderTable } from '../../cli/table.js';
import { paint, type Terminal } from '../../cli/terminal.js';
import { type BatchSummary, batchStates } from '../../lake/batch-state.js';
import { formatBytes, formatCount } from '../../system/duration.js';

interface ListResult {
  batches: BatchSummary[];
}

export default class BatchList extends ReviewopsCommand<ListResult> {
  static override summary = 'List the batches of the lake, newest first, with their states.';
  static override description =
    'complete: all layers are there and fit together; partial: a layer is missing or older than what it was made from; corrupt: a manifest or a file is damaged; running: somebody works on it. Data files are not read; `batch verify` does that.';
  static override examples = [
    '<%= config.bin %> batch list --limit 10',
    '<%= config.bin %> batch list --state corrupt --json',
  ];
  static override flags = {
    limit: Flags.integer({ min: 1, description: 'At most this many batches.' }),
    state: Flags.option({
      options: batchStates,
      description: 'Only batches in this state.',
    })(),
  };

  override async execute(context: CommandContext): Promise<ListResult> {
    const { flags } = this.input(BatchList);
    const { listBatches } = await import('../../lake/batches.js');
    const { limit, state } = flags;
    const batches = await listBatches(await context.lake(), {
      now: context.now,
      ...(limit === undefined ? {} : { limit }),
      ...(state === undefined ? {} : { state }),
    });
    return { batches };
  }

  override render({ batches }: ListResult, terminal: Terminal): string {
    if (batches.length === 0) {
      const { state } = this.input(BatchList).flags;
      return state === undefined
        ? 'No batch yet. Make one with `reviewops pipeline run`.'
        : `No batch is ${state}.`;
    }
    return renderTable(
      [
        { name: 'batch' },
        { name: 'state' },
        { name: 'layers' },
        { name: 'rows', align: 'right' },
        { name: 'size', align: 'right' },
        { name: 'created' },
        { name: 'problem' },
      ],
      batches.map((batch) => [
        batch.batchId,
        paint(terminal, stateStyle(batch.state), batch.state),
        batch.layers.join(' '),
        formatCount(batch.rows),
        formatBytes(batch.bytes),
        batch.createdAt.slice(0, 19).replace('T', ' '),
        problemText(batch),
      ]),
      terminal,
    );
  }
}

function problemText({ problems }: BatchSummary): string {
  const [first, ...rest] = problems;
  if (first === undefined) return '';
  const what = first.kind === 'damaged-file' ? `${first.key}: ${first.problem}` : first.problem;
  return rest.length === 0 ? what : `${what} (and ${rest.length} more)`;
}
