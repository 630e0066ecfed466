import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { renderFields } from '../../cli/table.js';
import type { Terminal } from '../../cli/terminal.js';
import type { PingResult } from '../../database/ping.js';

export default class DbPing extends ReviewopsCommand<PingResult> {
  static override summary =
    'Connect to the database and say what answers, how fast and how safely.';
  static override description =
    'Status 5 when it cannot be reached; the message names the stage: DNS, TCP, TLS, login, database. The embedded server is started when it is the one.';
  static override examples = ['<%= config.bin %> db ping', '<%= config.bin %> db ping --json'];

  override async execute(context: CommandContext): Promise<PingResult> {
    const { ping } = await import('../../database/ping.js');
    const result = await ping(await context.database(), await context.config(), context.job);
    if (result.tls.verified === 'none') {
      context.warn(
        'The connection is encrypted, but nobody checked whose certificate it is: use sslmode=verify-full.',
      );
    }
    return result;
  }

  override render(result: PingResult, terminal: Terminal): string {
    const { latencySeconds: latency, tls } = result;
    return renderFields(
      [
        ['database', `${result.description} (${result.kind}, ${result.endpoint})`],
        ['server', `PostgreSQL ${result.server}`],
        ['role', result.role],
        [
          'latency',
          `${milliseconds(latency.median)} median, ${milliseconds(latency.min)} at best; connecting took ${milliseconds(latency.connect)}`,
        ],
        [
          'TLS',
          tls.on ? `${tls.version}, ${tls.cipher}, certificate checked: ${tls.verified}` : 'off',
        ],
        [
          'schema',
          result.schema === 'current' ? 'current' : `${result.schema}; see \`reviewops db init\``,
        ],
      ],
      terminal,
    );
  }
}

const milliseconds = (seconds: number): string => `${(seconds * 1000).toFixed(1)} ms`;
