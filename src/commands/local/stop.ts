import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';

interface StopResult {
  /** False when it did not run. */
  stopped: boolean;
  pid: number | null;
}

export default class LocalStop extends ReviewopsCommand<StopResult> {
  static override summary = 'Stop the embedded PostgreSQL server; its data stays.';
  static override description =
    'Open connections are ended; what they committed is kept. The next command that needs it starts it again.';
  static override examples = ['<%= config.bin %> local stop'];

  override async execute({ home, job }: CommandContext): Promise<StopResult> {
    const { stopEmbedded } = await import('../../database/embedded/index.js');
    return stopEmbedded({ home, ...job });
  }

  override render({ stopped, pid }: StopResult): string {
    return stopped ? `The embedded server (pid ${pid}) is stopped.` : 'It was not running.';
  }
}
