import { Flags } from '@oclif/core';
import { batchIdFlag, PipelineCommand, tableList, tablesFlag } from '../../cli/pipeline-command.js';
import type { PipelineRequest } from '../../pipeline/run.js';
import { stages } from '../../pipeline/stage.js';

export default class PipelineRun extends PipelineCommand {
  static override summary = 'Extract, transform, model and load a batch.';
  static override description =
    `Cuts a consistent snapshot of the source into a new batch (bronze), cleans and joins it
(silver), scores every review (gold) and publishes the scores to the serving table.

With --batch-id it works on that batch: a stage replaces its own output, so a run that was
interrupted is completed by running it again, and an older batch is published again by
\`--from load\`.`;
  static override examples = [
    '<%= config.bin %> pipeline run',
    '<%= config.bin %> pipeline run --batch-id 20260131_235959 --from transform',
  ];
  static override flags = {
    ...batchIdFlag,
    from: Flags.option({ options: stages, helpValue: 'STAGE', description: 'First stage to run.' })(
      {
        default: 'extract',
      },
    ),
    to: Flags.option({ options: stages, helpValue: 'STAGE', description: 'Last stage to run.' })({
      default: 'load',
    }),
    ...tablesFlag,
  };

  override request(): PipelineRequest {
    const { flags } = this.input(PipelineRun);
    const tables = tableList(flags.tables);
    return {
      command: 'run',
      from: flags.from,
      to: flags.to,
      ...(flags['batch-id'] === undefined ? {} : { batchId: flags['batch-id'] }),
      ...(tables === undefined ? {} : { tables }),
    };
  }
}
