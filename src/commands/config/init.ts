import { resolve } from 'node:path';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { changeFlags } from '../../cli/flags.js';
import { configFileName } from '../../config/project-file.js';

interface InitResult {
  file: string;
  /** Whether a file that was there has been replaced. */
  replaced: boolean;
}

export default class ConfigInit extends ReviewopsCommand<InitResult> {
  static override summary = 'Write a commented reviewops.config.yaml into this directory.';
  static override description =
    'Every setting is there with its default, as a comment. A file that exists is replaced only after a confirmation.';
  static override examples = [
    '<%= config.bin %> config init',
    '<%= config.bin %> config init --config conf/reviewops.yaml --yes',
  ];
  static override flags = changeFlags;

  async execute(context: CommandContext): Promise<InitResult> {
    const { flags } = this.input(ConfigInit);
    const { writeConfigFile } = await import('../../config/init.js');
    const file = resolve(context.cwd, flags.config ?? configFileName);
    const replaced = await writeConfigFile(file, () =>
      context.confirmChange(`${file} exists and would be replaced.`, flags),
    );
    return { file, replaced };
  }

  render({ file, replaced }: InitResult): string {
    return `${replaced ? 'Replaced' : 'Wrote'} ${file}. Check it with \`reviewops config check\`.`;
  }
}
