import { join, resolve } from 'node:path';
import { Args, Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { renderTable } from '../../cli/table.js';
import type { Terminal } from '../../cli/terminal.js';
import type { ImportResult } from '../../import/job.js';
import { formatCount, formatSeconds } from '../../system/duration.js';
import { invalid } from '../../system/errors.js';

export default class DbImport extends ReviewopsCommand<ImportResult> {
  static override summary = 'Import reviews from files, or a generated sample.';
  static override description =
    'Reads CSV, TSV and JSON Lines, plain or gzip-compressed; the format is detected from the content. Everything is loaded in one transaction: all or nothing. Records that cannot be stored go to a rejects file with line and reason, repeated ones and those already in the database are folded: read = loaded + rejected + folded. docs/import.md describes the formats and how to add one.';
  static override examples = [
    '<%= config.bin %> db import reviews.csv.gz',
    '<%= config.bin %> db import exports/ --format tables',
    '<%= config.bin %> db import shop.csv --mapping shop.yaml',
    '<%= config.bin %> db import --sample 50000',
  ];
  static override strict = false;
  static override args = {
    path: Args.string({ description: 'Files, or directories of files.' }),
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
    }),
    seed: Flags.integer({
      helpValue: 'S',
      description: 'With --sample: the same seed gives the same rows; default 1.',
    }),
  };

  override async execute(context: CommandContext): Promise<ImportResult> {
    const { flags, argv } = this.input(DbImport);
    checkUsage(flags, argv);
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
      paths: argv.map((path) => resolve(context.cwd, path)),
      format: flags.format,
      mapping: flags.mapping === undefined ? undefined : resolve(context.cwd, flags.mapping),
    });
    if (result.rejectsFile !== null) {
      context.warn(
        `${formatCount(result.rejected)} records were rejected: see ${result.rejectsFile} (it holds personal data).`,
      );
    }
    return result;
  }

  override render(result: ImportResult, terminal: Terminal): string {
    const lines = [
      `Imported ${formatCount(result.read)} records (${result.format}) in ${formatSeconds(result.seconds)}: ${formatCount(result.loaded)} loaded, ${formatCount(result.rejected)} rejected, ${formatCount(result.folded)} folded.`,
    ];
    if (result.read > 0 && result.folded === result.read) {
      lines.push('All of it was in the database already; nothing was changed.');
    }
    const tables = renderTable(
      [{ name: 'table' }, { name: 'new rows', align: 'right' }],
      result.tables.map(({ table, rows }) => [table, formatCount(rows)]),
      terminal,
    );
    return [...lines, '', tables].join('\n');
  }
}

function checkUsage(
  flags: {
    sample?: number | undefined;
    seed?: number | undefined;
    format?: string | undefined;
    mapping?: string | undefined;
  },
  paths: readonly string[],
): void {
  const hint = 'See `reviewops db import --help`.';
  const sample = flags.sample !== undefined;
  if (sample && (paths.length > 0 || flags.format !== undefined || flags.mapping !== undefined)) {
    throw invalid('USAGE_ERROR', '--sample takes no files, --format or --mapping.', { hint });
  }
  if (!sample && flags.seed !== undefined) {
    throw invalid('USAGE_ERROR', '--seed goes with --sample.', { hint });
  }
  if (!sample && paths.length === 0) {
    throw invalid('USAGE_ERROR', 'Nothing to import: name files, or use --sample N.', { hint });
  }
}
