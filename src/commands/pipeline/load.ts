import { PipelineCommand, requiredBatchIdFlag } from '../../cli/pipeline-command.js';
import type { PipelineRequest } from '../../pipeline/run.js';

export default class PipelineLoad extends PipelineCommand {
  static override summary = 'Publish gold to the serving table.';
  static override examples = ['<%= config.bin %> pipeline load --batch-id 20260131_235959'];
  static override flags = requiredBatchIdFlag;

  override request(): PipelineRequest {
    const { flags } = this.input(PipelineLoad);
    return { command: 'load', from: 'load', to: 'load', batchId: flags['batch-id'] };
  }
}
