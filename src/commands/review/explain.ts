import { Args } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { requireReplayed } from '../../cli/gdpr-guards.js';
import { renderTable } from '../../cli/table.js';
import { paint, type Terminal } from '../../cli/terminal.js';
import type { ExplainedReview } from '../../pipeline/serving.js';

export default class ReviewExplain extends ReviewopsCommand<ExplainedReview> {
  static override summary = 'Show why a review scores what it scores.';
  static override description =
    'The score is the sum of its components’ values (0 to 1), each times its weight, times 100.';
  static override examples = ['<%= config.bin %> review explain R00000042'];
  static override args = {
    review: Args.string({ required: true, description: 'Review id.' }),
  };

  override async execute(context: CommandContext): Promise<ExplainedReview> {
    const { args } = this.input(ReviewExplain);
    const { findExplanation } = await import('../../pipeline/serving.js');
    const config = await context.config();
    await requireReplayed(context);
    return findExplanation(await context.database(), config, args.review, context.signal);
  }

  override render(review: ExplainedReview, terminal: Terminal): string {
    const table = renderTable(
      [
        { name: 'component' },
        { name: 'value', align: 'right' },
        { name: 'weight', align: 'right' },
        { name: 'points', align: 'right' },
      ],
      review.components.map(({ name, value, weight, points }) => [
        name,
        value === null ? 'not scored' : value.toFixed(3),
        weight.toFixed(2),
        points.toFixed(1),
      ]),
      terminal,
    );
    return [
      `${paint(terminal, 'bold', review.reviewId)} scores ${review.score.toFixed(1)} of 100: number ${review.rank} of the ${review.reviews} reviews of ${review.productName ?? review.productId} (${review.productId}).`,
      '',
      table,
      '',
      `Weights: preset "${review.preset}" and the configuration, as they were in batch ${review.batchId}.`,
    ].join('\n');
  }
}
