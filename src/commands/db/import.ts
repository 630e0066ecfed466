import { join, resolve } from 'node:path';
import { Args, Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { rejectsNote, renderImport } from '../../cli/import-text.js';
import type { Terminal } from '../../cli/terminal.js';
import type { ImportResult } from '../../import/job.js';
import { invalid } from '../../system/errors.js';

export default class DbImport extends ReviewopsCommand<ImportResult> {
  static override summary = 'Import reviews from files, or a generated sample.';
  static override description =
    'Reads CSV, TSV and JSON Lines, plain or gzip-compressed; the format is detected from the content. Everything is loaded in one transaction: all or nothing. Records that cannot be stored go to a rejects file with line and reason, repeated ones and those already in the database are folded: read = loaded + rejected + folded. docs/import.md describes the formats and how to add one.';
  static override examples = [
    '<%= config.bin %> db import reviews.csv.gz',
    '<%= config.bin %> db import exports/ --format tables',
    '<%= config.bin %> db import shop.csv --mapping shop.yaml',
    'zstd -dc reviews.jsonl.zst | <%= config.bin %> db import -',
    '<%= config.bin %> db import --sample 50000',
  ];
  static override strict = false;
  static override args = {
    path: Args.string({ description: 'Files, directories of files, or - for standard input.' }),
  };
  static override flags = {
    format: Flags.string({
      helpValue: 'F',
      description:
        'The format: tables, amazon-tsv, datafiniti, fine-food, ucsd-2014, ucsd-2018, ucsd-2023; default: detected.',
    }),
    mapping: Flags.string({
      helpValue: 'FILE',
      description: 'A mapping file that describes another layout.',
    }),
    sample: Flags.integer({
      helpValue: 'N',
      description: 'Generate and import N made-up reviews with their products and orders.',
      exclusive: ['format', 'mapping'],
    }),
    seed: Flags.integer({
      helpValue: 'S',
      description: 'With --sample: the same seed gives the same rows; default 1.',
      dependsOn: ['sample'],
    }),
  };

  override async execute(context: CommandContext): Promise<ImportResult> {
    const { flags, argv } = this.input(DbImport);
    if ((flags.sample === undefined) === (argv.length === 0)) {
      throw invalid('USAGE_ERROR', 'Name files to import, or use --sample N: one of the two.', {
        hint: 'See `reviewops db import --help`.',
      });
    }
    const base = async () => ({
      target: await context.database(),
      config: await context.config(),
      context: context.job,
      scratch: await context.scratch(),
      rejectsDirectory: join(context.home, 'rejects'),
    });
    if (flags.sample !== undefined) {
      const { importSample } = await import('../../import/sample.js');
      return importSample({ ...(await base()), reviews: flags.sample, seed: flags.seed ?? 1 });
    }
    const { importFiles } = await import('../../import/import.js');
    const result = await importFiles({
      ...(await base()),
      paths: argv.map((path) => (path === '-' ? path : resolve(context.cwd, path))),
      stdin: process.stdin,
      format: flags.format,
      mapping: flags.mapping === undefined ? undefined : resolve(context.cwd, flags.mapping),
    });
    if (result.rejectsFile !== null) context.warn(rejectsNote(result));
    return result;
  }

  override render(result: ImportResult, terminal: Terminal): string {
    return renderImport(result, terminal);
  }
}
