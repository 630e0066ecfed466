import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';

interface CheckResult {
  file: string | null;
}

export default class ConfigCheck extends ReviewopsCommand<CheckResult> {
  static override summary = 'Check the configuration file, with every profile.';

  async execute(context: CommandContext): Promise<CheckResult> {
    const { file } = await context.loadedConfig();
    return { file: file ?? null };
  }

  render(result: CheckResult): string {
    return result.file ?? 'no file';
  }
}
