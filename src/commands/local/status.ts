import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { renderServer } from '../../cli/server-text.js';
import type { Terminal } from '../../cli/terminal.js';
import type { EmbeddedStatus } from '../../database/embedded/index.js';

export default class LocalStatus extends ReviewopsCommand<EmbeddedStatus> {
  static override summary =
    'Show the embedded PostgreSQL server: state, place, size, how to connect.';
  static override description =
    'Starts nothing. Status 0 whether it runs or not; --json says which (running).';
  static override examples = ['<%= config.bin %> local status'];

  override async execute({ home }: CommandContext): Promise<EmbeddedStatus> {
    const { embeddedStatus } = await import('../../database/embedded/index.js');
    return embeddedStatus({ home });
  }

  override render(result: EmbeddedStatus, terminal: Terminal): string {
    return renderServer(result, terminal);
  }
}
