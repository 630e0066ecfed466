import { PipelineCommand, requiredBatchIdFlag } from '../../cli/pipeline-command.js';
import type { PipelineRequest } from '../../pipeline/run.js';

export default class PipelineModel extends PipelineCommand {
  static override summary = 'Score silver into gold.';
  static override examples = ['<%= config.bin %> pipeline model --batch-id 20260131_235959'];
  static override flags = requiredBatchIdFlag;

  override request(): PipelineRequest {
    const { flags } = this.input(PipelineModel);
    return { command: 'model', from: 'model', to: 'model', batchId: flags['batch-id'] };
  }
}
