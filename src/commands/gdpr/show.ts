import { Args } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { requestLines, type ShownRequest, shownRequest } from '../../cli/gdpr-request-text.js';

export default class GdprShow extends ReviewopsCommand<ShownRequest> {
  static override summary = 'Show one request: state, deadline, hold, extension.';
  static override examples = ['<%= config.bin %> gdpr show DSR-2026-0042'];
  static override args = {
    request: Args.string({ required: true, description: 'Id of the request.' }),
  };

  override async execute(context: CommandContext): Promise<ShownRequest> {
    const { args } = this.input(GdprShow);
    const { requireRequest } = await import('../../privacy/requests.js');
    const { record } = await requireRequest(await context.lake(), args.request);
    return shownRequest(record, context.now());
  }

  override render(request: ShownRequest): string {
    return requestLines(request).join('\n');
  }
}
