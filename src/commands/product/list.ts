import { Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { renderTable } from '../../cli/table.js';
import type { Terminal } from '../../cli/terminal.js';
import type { PublishedProduct } from '../../pipeline/products.js';
import { formatCount } from '../../system/duration.js';

interface ListResult {
  products: PublishedProduct[];
}

export default class ProductList extends ReviewopsCommand<ListResult> {
  static override summary = 'List the products with published reviews, the most reviewed first.';
  static override examples = ['<%= config.bin %> product list --limit 5'];
  static override flags = {
    limit: Flags.integer({ min: 1, default: 20, description: 'At most this many products.' }),
  };

  override async execute(context: CommandContext): Promise<ListResult> {
    const { flags } = this.input(ProductList);
    const { listProducts } = await import('../../pipeline/products.js');
    const config = await context.config();
    const target = await context.database();
    const { signal } = context;
    return { products: await listProducts({ target, config, limit: flags.limit, signal }) };
  }

  override render({ products }: ListResult, terminal: Terminal): string {
    if (products.length === 0) return 'No review is published yet: run `reviewops pipeline run`.';
    return renderTable(
      [
        { name: 'product' },
        { name: 'name', maxWidth: 40 },
        { name: 'category', maxWidth: 24 },
        { name: 'reviews', align: 'right' },
        { name: 'best score', align: 'right' },
      ],
      products.map((product) => [
        product.productId,
        product.productName ?? '',
        product.category,
        formatCount(product.reviews),
        product.bestScore.toFixed(1),
      ]),
      terminal,
    );
  }
}
