import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { askPython, makeSite, type PipelineRunResult } from './peers.js';
import { expectKnownSentiment, expectSameScores, rescore } from './rescored.js';

const data =
  process.env.REVIEWOPS_REAL_DATA ?? join(import.meta.dirname, '..', '..', '..', 'shared', 'data');

interface Imported {
  format: string;
  read: number;
  loaded: number;
  rejected: number;
  folded: number;
  tables: { table: string; rows: number }[];
}

interface Counted {
  read: number;
  loaded: number;
  rejected: number;
  folded: number;
  tables: Record<string, number>;
  accepted: number;
  rejectedByRule: Record<string, number>;
  products: Record<string, { reviews: number; averageRating: number; bestScore: number }>;
}

interface Summary {
  product_id: string;
  reviews: number;
  average_rating: number;
  best_review_id: string;
  best_score: number;
}

describe.skipIf(!existsSync(data)).each([
  ['datafiniti', 'datafiniti_1429.csv.gz'],
  ['amazon-tsv', 'amazon_pds_gift_card.tsv'],
  ['ucsd-2018', 'ucsd_2018_all_beauty.jsonl.gz'],
])('the real file of %s (needs REVIEWOPS_REAL_DATA)', (format, name) => {
  const path = join(data, name);

  it.skipIf(!existsSync(path))('gives what a plain reading of it gives', async () => {
    const site = await makeSite();
    try {
      const imported = await site.cli<Imported>('db', 'import', path);
      const { batchId, stages } = await site.cli<PipelineRunResult>('pipeline', 'run');
      const silver = await site.manifest('silver', batchId);
      const counted = await askPython<Counted>(
        'count_reviews.py',
        format,
        path,
        silver.source.snapshotAt,
      );

      const { read, loaded, rejected, folded } = counted;
      expect(imported).toMatchObject({ format, read, loaded, rejected, folded });
      expect(read).toBe(loaded + rejected + folded);
      const rows = Object.fromEntries(imported.tables.map(({ table, rows }) => [table, rows]));
      for (const [table, expected] of Object.entries(counted.tables)) {
        expect(rows[table] ?? 0, table).toBe(expected);
      }

      expect(silver.rejected).toEqual(counted.rejectedByRule);
      expect(stages.map(({ stage, rowsOut }) => ({ stage, rowsOut })).slice(1)).toEqual([
        { stage: 'transform', rowsOut: counted.accepted },
        { stage: 'model', rowsOut: counted.accepted },
        { stage: 'load', rowsOut: counted.accepted },
      ]);

      const client = await site.database.client();
      const products = await client.query<Summary>(
        `SELECT product_id, reviews::int, average_rating, best_review_id, best_score
         FROM amazon.product_summary`,
      );
      expect(products).toHaveLength(Object.keys(counted.products).length);
      for (const product of products) {
        const expected = counted.products[product.product_id];
        expect(product.reviews, product.product_id).toBe(expected?.reviews);
        expect(product.average_rating).toBeCloseTo(expected?.averageRating ?? Number.NaN, 9);
        expect(product.best_score, product.product_id).toBeCloseTo(
          expected?.bestScore ?? Number.NaN,
          4,
        );
      }
      const [first] = products;
      const best = await site.cli<{ reviewId: string; score: number }>(
        'product',
        'best',
        first?.product_id ?? '',
      );
      expect(best).toMatchObject({ reviewId: first?.best_review_id, score: first?.best_score });

      const rescored = await rescore(site, batchId, 'original');
      expectSameScores(rescored, 'original');
      expectKnownSentiment(rescored);
      expect(rescored.pseudonyms).toMatchObject({ rows: counted.accepted, different: 0 });
    } finally {
      await site.dispose();
    }
  });
});
