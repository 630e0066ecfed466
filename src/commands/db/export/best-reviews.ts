import { resolve } from 'node:path';
import { Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../../cli/command.js';
import type { CommandContext } from '../../../cli/context.js';
import { requireReplayed } from '../../../cli/gdpr-guards.js';
import type { BestReviewRecord } from '../../../pipeline/export.js';
import { formatCount } from '../../../system/duration.js';

const formats = ['json', 'csv'] as const;

interface ExportResult {
  format: (typeof formats)[number];
  /** Null when the reviews are part of this result. */
  file: string | null;
  products: number;
  reviews?: BestReviewRecord[];
  /** With --schema, instead of all else. */
  schema?: object;
}

export default class DbExportBestReviews extends ReviewopsCommand<ExportResult> {
  static override summary = 'Hand over the best review of each product, as JSON or CSV.';
  static override description =
    'Every record is checked against the schema that --schema prints (JSON Schema); nothing is written when one does not fit. A file is replaced in one step. Without --output the export goes to stdout, with control characters of the texts escaped. Names no customer.';
  static override examples = [
    '<%= config.bin %> db export best-reviews --output best_reviews.json',
    '<%= config.bin %> db export best-reviews --format csv > best_reviews.csv',
    '<%= config.bin %> db export best-reviews --schema',
  ];
  static override flags = {
    format: Flags.option({ options: formats, default: 'json', description: 'Of the export.' })(),
    output: Flags.string({ helpValue: 'FILE', description: 'File to write, in place of stdout.' }),
    schema: Flags.boolean({
      default: false,
      description: 'Print the schema instead; reaches no database.',
    }),
  };

  #text = '';

  override async execute(context: CommandContext): Promise<ExportResult> {
    const { format, output, schema } = this.input(DbExportBestReviews).flags;
    const { exportSchema, exportToFile, formatBestReviews, readBestReviews } = await import(
      '../../../pipeline/export.js'
    );
    if (schema) return { format, file: null, products: 0, schema: exportSchema() };
    const config = await context.config();
    await requireReplayed(context);
    const source = { target: await context.database(), config, job: context.job };
    if (output !== undefined) {
      const file = resolve(context.cwd, output);
      return { format, file, products: await exportToFile(source, format, file) };
    }
    const reviews = await readBestReviews(source);
    this.#text = context.json ? '' : formatBestReviews(reviews, format);
    return { format, file: null, products: reviews.length, reviews };
  }

  override render({ file, products, schema }: ExportResult): string {
    if (schema !== undefined) return JSON.stringify(schema, null, 2);
    if (file !== null)
      return `Wrote the best reviews of ${formatCount(products)} products to ${file}.`;
    return this.#text;
  }
}
