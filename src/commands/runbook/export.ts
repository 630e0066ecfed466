import { join, resolve } from 'node:path';
import { Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { ExitCode } from '../../system/errors.js';

interface ExportResult {
  directory: string;
  files: number;
  /** Names of the pages that were written, or are out of date with --check. */
  changed: string[];
  check: boolean;
}

export default class RunbookExport extends ReviewopsCommand<ExportResult> {
  static override summary = 'Write the runbooks as Markdown pages.';
  static override description =
    'One page a runbook and an index. Pages of runbooks that are gone are removed; other files stay. With --check nothing is written: the exit code is 1 when a page is out of date.';
  static override examples = [
    '<%= config.bin %> runbook export --dir docs/runbooks',
    '<%= config.bin %> runbook export --check',
  ];
  static override flags = {
    dir: Flags.string({ default: 'docs/runbooks', helpValue: 'DIR', description: 'Where to.' }),
    check: Flags.boolean({ description: 'Only say whether the pages are current.' }),
  };

  override async execute(context: CommandContext): Promise<ExportResult> {
    const { dir, check } = this.input(RunbookExport).flags;
    const [{ allRunbooks }, { writePages }] = await Promise.all([
      import('../../cli/runbook-catalogue.js'),
      import('../../cli/runbook-pages.js'),
    ]);
    const directory = resolve(context.cwd, dir);
    const { files, changed } = await writePages(directory, await allRunbooks(context), check);
    return { directory, files, changed, check };
  }

  override render({ directory, files, changed, check }: ExportResult): string {
    if (changed.length === 0) return `All ${files} pages in ${directory} are current.`;
    const names = changed.map((name) => `  ${join(directory, name)}`);
    const title = check ? 'Out of date; run `reviewops runbook export`:' : 'Written:';
    return [title, ...names].join('\n');
  }

  protected override exitCode({ check, changed }: ExportResult): ExitCode {
    return check && changed.length > 0 ? ExitCode.failed : ExitCode.done;
  }
}
