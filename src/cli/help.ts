import { stripVTControlCharacters } from 'node:util';
import { type Config, Help } from '@oclif/core';

/** oclif's help, collected instead of printed. */
class CollectedHelp extends Help {
  readonly #lines: string[] = [];

  protected override log(...parts: string[]): void {
    this.#lines.push(parts.join(' '));
  }

  get text(): string {
    return `${this.#lines.join('\n').trimEnd()}\n`;
  }
}

/** Help of a command, of a topic, or of the whole tool (`id` undefined); without colours. */
export async function helpText(config: Config, id: string | undefined): Promise<string> {
  const help = new CollectedHelp(config, { hideAliasesFromRoot: true });
  await help.showHelp(id === undefined ? [] : [id]);
  return stripVTControlCharacters(help.text);
}
