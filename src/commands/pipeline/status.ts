import { Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { renderTable } from '../../cli/table.js';
import { paint, type Terminal } from '../../cli/terminal.js';
import type { RunWithMean } from '../../pipeline/history.js';
import { formatCount, formatSeconds } from '../../system/duration.js';

interface StatusResult {
  runs: RunWithMean[];
}

const count = (rows: number | undefined) => (rows === undefined ? '–' : formatCount(rows));

export default class PipelineStatus extends ReviewopsCommand<StatusResult> {
  static override summary = 'Show the last runs, each against the mean of those before it.';
  static override examples = ['<%= config.bin %> pipeline status --limit 5'];
  static override flags = {
    limit: Flags.integer({ default: 10, min: 1, max: 1000, description: 'How many runs.' }),
  };

  override async execute(context: CommandContext): Promise<StatusResult> {
    const { flags } = this.input(PipelineStatus);
    const { lastRuns } = await import('../../pipeline/history.js');
    const settings = (await context.config()).database;
    const target = await context.database();
    return { runs: await lastRuns({ target, settings, signal: context.signal }, flags.limit) };
  }

  override render({ runs }: StatusResult, terminal: Terminal): string {
    if (runs.length === 0) return 'No run yet. Start one with `reviewops pipeline run`.';
    const table = renderTable(
      [
        { name: 'started' },
        { name: 'batch' },
        { name: 'command' },
        { name: 'status' },
        { name: 'time', align: 'right' },
        { name: 'of mean', align: 'right' },
        { name: 'rows', align: 'right' },
        { name: 'rejected', align: 'right' },
      ],
      runs.map((run) => [
        run.startedAt.slice(0, 19).replace('T', ' '),
        run.batchId,
        run.command,
        paint(terminal, run.status === 'succeeded' ? 'green' : 'red', run.status),
        run.seconds === null ? '–' : formatSeconds(run.seconds),
        run.ratio === null ? '–' : `${Math.round(run.ratio * 100)} %`,
        count(run.stages.at(-1)?.rowsOut),
        count(run.stages.reduce((total, stage) => total + stage.rejected, 0)),
      ]),
      terminal,
    );
    const [last] = runs;
    return last?.errorMessage ? `${table}\n\nLast error: ${last.errorMessage}` : table;
  }
}
