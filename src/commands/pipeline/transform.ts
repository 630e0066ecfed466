import { PipelineCommand, requiredBatchIdFlag } from '../../cli/pipeline-command.js';
import type { PipelineRequest } from '../../pipeline/run.js';

export default class PipelineTransform extends PipelineCommand {
  static override summary = 'Clean, judge and join bronze into silver.';
  static override examples = ['<%= config.bin %> pipeline transform --batch-id 20260131_235959'];
  static override flags = requiredBatchIdFlag;

  override request(): PipelineRequest {
    const { flags } = this.input(PipelineTransform);
    return { command: 'transform', from: 'transform', to: 'transform', batchId: flags['batch-id'] };
  }
}
