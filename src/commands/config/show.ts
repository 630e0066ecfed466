import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { renderTable } from '../../cli/table.js';
import type { Terminal } from '../../cli/terminal.js';
import type { ConfigValue } from '../../config/show.js';

interface ShowResult {
  /** Null when every setting has its default. */
  file: string | null;
  profile: string;
  profiles: string[];
  values: ConfigValue[];
}

export default class ConfigShow extends ReviewopsCommand<ShowResult> {
  static override summary = 'Show every setting in force, and where it comes from.';
  static override description = 'Secrets are masked: only whether and where they are set is shown.';
  static override examples = [
    '<%= config.bin %> config show',
    '<%= config.bin %> config show --profile prod --json',
  ];

  async execute(context: CommandContext): Promise<ShowResult> {
    const { configValues } = await import('../../config/show.js');
    const [loaded, secrets] = await Promise.all([context.loadedConfig(), context.secrets()]);
    return {
      file: loaded.file ?? null,
      profile: loaded.profile,
      profiles: loaded.profiles,
      values: configValues(loaded, secrets, { path: context.home, source: context.homeSource }),
    };
  }

  render(result: ShowResult, terminal: Terminal): string {
    return renderTable(
      [{ name: 'setting' }, { name: 'value', maxWidth: 60 }, { name: 'from' }],
      result.values.map(({ key, value, source }) => [
        key,
        typeof value === 'string' ? value : JSON.stringify(value),
        source,
      ]),
      terminal,
    );
  }
}
