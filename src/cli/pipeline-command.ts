import { join } from 'node:path';
import { Flags } from '@oclif/core';
import type { FailedRun } from '../incidents/causes.js';
import type { PipelineEnvironment, PipelineRequest, PipelineResult } from '../pipeline/run.js';
import { formatBytes, formatCount, formatSeconds } from '../system/duration.js';
import { invalid } from '../system/errors.js';
import { redact } from '../system/redact.js';
import { ReviewopsCommand } from './command.js';
import type { CommandContext } from './context.js';
import { renderTable } from './table.js';
import { paint, type Terminal } from './terminal.js';

export const batchIdFlag = {
  'batch-id': Flags.string({
    helpValue: 'ID',
    description: 'The batch to work on, such as 20260131_235959.',
  }),
};

/** For stages that work on a batch that exists. */
export const requiredBatchIdFlag = {
  'batch-id': Flags.string({
    helpValue: 'ID',
    required: true,
    description: 'The batch to work on, such as 20260131_235959.',
  }),
};

export const tablesFlag = {
  tables: Flags.string({
    helpValue: 'a,b',
    description: 'Extract these tables only, instead of source.tables.',
  }),
};

/** What `pipeline run` and the commands of the single stages have in common. */
export abstract class PipelineCommand extends ReviewopsCommand<PipelineResult> {
  abstract request(): PipelineRequest;

  override async execute(context: CommandContext): Promise<PipelineResult> {
    const { reportFailedRun, reportGoodRun } = await import('./incident-signals.js');
    const { batchId } = this.request();
    let run: Omit<FailedRun, 'error'> = batchId === undefined ? {} : { batchId };
    try {
      const result = await this.#perform(context, ({ stage, ...ids }) => {
        run = { ...ids, ...(stage === undefined ? {} : { stage }) };
      });
      await reportGoodRun(context, result.batchId);
      return result;
    } catch (error) {
      await reportFailedRun(context, { ...run, error });
      throw error;
    }
  }

  async #perform(
    context: CommandContext,
    onFailure: NonNullable<PipelineEnvironment['onFailure']>,
  ): Promise<PipelineResult> {
    const { runPipeline } = await import('../pipeline/run.js');
    const [config, lake, secrets, scratch] = await Promise.all([
      context.config(),
      context.lake(),
      context.secrets(),
      context.scratch(),
    ]);
    return runPipeline(
      {
        job: context.job,
        config,
        lake,
        database: context.database,
        pseudonymKey: await secrets.pseudonymKey(),
        scratch,
        logsDirectory: join(context.home, 'logs'),
        tool: context.tool,
        redact,
        onFailure,
      },
      this.request(),
    );
  }

  override render(result: PipelineResult, terminal: Terminal): string {
    return [
      renderStages(result, terminal),
      '',
      `Batch ${paint(terminal, 'bold', result.batchId)} ${paint(terminal, 'green', result.status)} in ${formatSeconds(result.seconds)}.`,
    ].join('\n');
  }
}

/** `a, b` as a list; undefined when --tables was not given. Throws `USAGE_ERROR` for an empty one. */
export function tableList(text: string | undefined): string[] | undefined {
  const items = text
    ?.split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  if (items?.length !== 0) return items;
  throw invalid('USAGE_ERROR', '--tables names no table.', {
    hint: 'Give names separated by commas, or leave it out to extract all.',
  });
}

function renderStages({ stages }: PipelineResult, terminal: Terminal): string {
  return renderTable(
    [
      { name: 'stage' },
      { name: 'rows in', align: 'right' },
      { name: 'rows out', align: 'right' },
      { name: 'rejected', align: 'right' },
      { name: 'bytes', align: 'right' },
      { name: 'time', align: 'right' },
      { name: 'rows/s', align: 'right' },
    ],
    stages.map((stage) => [
      stage.stage,
      formatCount(stage.rowsIn),
      formatCount(stage.rowsOut),
      formatCount(stage.rejected),
      formatBytes(stage.bytes),
      formatSeconds(stage.seconds),
      formatCount(Math.round(stage.rowsIn / Math.max(stage.seconds, 0.001))),
    ]),
    terminal,
  );
}
