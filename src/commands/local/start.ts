import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { renderServer } from '../../cli/server-text.js';
import type { Terminal } from '../../cli/terminal.js';
import type { EmbeddedStatus } from '../../database/embedded/index.js';

export default class LocalStart extends ReviewopsCommand<EmbeddedStatus> {
  static override summary = 'Start the embedded PostgreSQL server.';
  static override description =
    'Other commands start it by themselves. It listens on 127.0.0.1 only, keeps running when this terminal closes, and is repaired when it has crashed. As root, it runs as another user.';
  static override examples = ['<%= config.bin %> local start'];

  override async execute(context: CommandContext): Promise<EmbeddedStatus> {
    const { embeddedStatus, ensureEmbedded } = await import('../../database/embedded/index.js');
    const { home, job } = context;
    await ensureEmbedded({ home, config: await context.config(), ...job });
    if ((await context.secrets()).databaseUrl !== undefined) {
      context.warn('NEON_DB_URL is set: other commands use that database, not the embedded one.');
    }
    return embeddedStatus({ home });
  }

  override render(result: EmbeddedStatus, terminal: Terminal): string {
    return renderServer(result, terminal);
  }
}
