import { batchIdFlag, PipelineCommand, tableList, tablesFlag } from '../../cli/pipeline-command.js';
import type { PipelineRequest } from '../../pipeline/run.js';

export default class PipelineExtract extends PipelineCommand {
  static override summary = 'Cut a consistent snapshot of the source into bronze.';
  static override examples = ['<%= config.bin %> pipeline extract'];
  static override flags = { ...batchIdFlag, ...tablesFlag };

  override request(): PipelineRequest {
    const { flags } = this.input(PipelineExtract);
    const tables = tableList(flags.tables);
    return {
      command: 'extract',
      from: 'extract',
      to: 'extract',
      ...(flags['batch-id'] === undefined ? {} : { batchId: flags['batch-id'] }),
      ...(tables === undefined ? {} : { tables }),
    };
  }
}
