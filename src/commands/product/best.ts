import { Args } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { requireReplayed } from '../../cli/gdpr-guards.js';
import { paint, type Terminal } from '../../cli/terminal.js';
import type { BestReview } from '../../pipeline/serving.js';

export default class ProductBest extends ReviewopsCommand<BestReview> {
  static override summary = 'Show the best published review of a product.';
  static override examples = ['<%= config.bin %> product best P0000001'];
  static override args = {
    product: Args.string({ required: true, description: 'Product id.' }),
  };

  override async execute(context: CommandContext): Promise<BestReview> {
    const { args } = this.input(ProductBest);
    const { findBestReview } = await import('../../pipeline/serving.js');
    const config = await context.config();
    await requireReplayed(context);
    return findBestReview(await context.database(), config, args.product, context.signal);
  }

  override render(best: BestReview, terminal: Terminal): string {
    return [
      `${paint(terminal, 'bold', best.productName ?? best.productId)} (${best.productId}, ${best.category})`,
      `Best of ${best.reviews} ${best.reviews === 1 ? 'review' : 'reviews'}: ${best.reviewId}, score ${best.score.toFixed(1)} of 100, rating ${best.rating} of 5`,
      '',
      ...(best.title === null ? [] : [paint(terminal, 'bold', best.title)]),
      best.body,
      '',
      `Why this one: reviewops review explain ${best.reviewId}`,
    ].join('\n');
  }
}
