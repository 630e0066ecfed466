import { z } from 'zod';
import type { Config } from '../config/schema.js';
import { withClient } from '../database/client.js';
import { quoteTable } from '../database/identifiers.js';
import type { DatabaseTarget } from '../database/target.js';
import { failed } from '../system/errors.js';
import { writeFileAtomic } from '../system/files.js';
import type { JobContext } from '../system/progress.js';

/** The hand-over of the best review of each product to other systems, such as a CRM. */

export const exportFormats = ['json', 'csv'] as const;
export type ExportFormat = (typeof exportFormats)[number];

const record = z.strictObject({
  productId: z.string().min(1),
  productName: z.string().nullable(),
  category: z.string(),
  reviewId: z.string().min(1).describe('The best review: the highest score of the product.'),
  rating: z.int().min(1).max(5),
  title: z.string().nullable(),
  body: z.string().min(1),
  imageUrl: z.string().nullable(),
  verifiedPurchase: z.boolean().nullable(),
  helpfulVotes: z.int().nullable(),
  reviewedAt: z.iso
    .datetime()
    .nullable()
    .describe('UTC; null where unknown, or outside the years 1 to 9999, which is all it can say.'),
  score: z.number().min(0).max(100),
  reviews: z.int().min(1).describe('Published reviews of the product.'),
  batchId: z.string().describe('The batch the review was published from.'),
});
/** Names no person: whoever needs the author has the review id. */
export type BestReviewRecord = z.infer<typeof record>;

const columns = Object.keys(record.shape) as (keyof BestReviewRecord)[];

/** JSON Schema (2020-12) of the JSON document; a CSV has the same columns, in this order. */
export const exportSchema = (): object =>
  z.toJSONSchema(
    z.array(record).meta({
      title: 'Best reviews',
      description: 'The best published review of each product, by product id.',
    }),
  );

export interface ExportSource {
  target: DatabaseTarget;
  config: Config;
  job: JobContext;
}

/**
 * The best review of every product, in the order of product ids, as of one moment. Holds a
 * thousand at a time.
 *
 * Errors: `EXPORT_INVALID` when a row does not fit the schema, `NOTHING_PUBLISHED`,
 * `TABLE_NOT_FOUND`.
 */
async function forEachBestReview(
  { target, config, job }: ExportSource,
  take: (records: BestReviewRecord[]) => Promise<void>,
): Promise<number> {
  const { schema, table } = config.serving;
  const name = quoteTable(schema, table);
  const options = {
    purpose: 'export best reviews',
    settings: config.database,
    signal: job.signal,
    readOnly: true,
  };
  let count = 0;
  const read = () =>
    withClient(target, options, (client) =>
      client.transaction(async () => {
        await client.execute(
          `DECLARE best_reviews NO SCROLL CURSOR FOR
           SELECT DISTINCT ON (fact.product_id)
                  fact.product_id AS "productId", fact.product_name AS "productName", fact.category,
                  fact.review_id AS "reviewId", fact.rating, fact.title, fact.body,
                  fact.image_url AS "imageUrl", fact.verified_purchase AS "verifiedPurchase",
                  fact.helpful_votes AS "helpfulVotes",
                  CASE WHEN fact.reviewed_at >= '0001-01-01 00:00:00+00' AND fact.reviewed_at < '10000-01-01 00:00:00+00'
                    THEN fact.reviewed_at END AS "reviewedAt",
                  fact.score, product.reviews::integer AS reviews, fact.batch_id AS "batchId"
           FROM ${name} fact
           JOIN (SELECT product_id, count(*) AS reviews FROM ${name} GROUP BY product_id) product
             USING (product_id)
           ORDER BY fact.product_id, fact.score DESC, fact.review_id`,
        );
        for (;;) {
          const rows = await client.query('FETCH 1000 FROM best_reviews');
          if (rows.length === 0) return;
          await take(rows.map(checked));
          count += rows.length;
        }
      }, 'READ ONLY'),
    );
  await read();
  if (count === 0) {
    throw failed('NOTHING_PUBLISHED', `${schema}.${table} holds no review.`, {
      hint: 'Run `reviewops pipeline run` first.',
    });
  }
  return count;
}

function checked(row: Record<string, unknown>): BestReviewRecord {
  const { reviewedAt } = row;
  const candidate = {
    ...row,
    reviewedAt: reviewedAt instanceof Date ? reviewedAt.toISOString() : reviewedAt,
  };
  const { data, error } = record.safeParse(candidate);
  if (data !== undefined) return data;
  const [issue] = error.issues;
  throw failed(
    'EXPORT_INVALID',
    `The best review of product ${String(row.productId)} does not fit the schema of the export: ${issue?.path.join('.')}: ${issue?.message}.`,
    {
      hint: 'Look at it with `reviewops product best`; the schema is `reviewops db export best-reviews --schema`. Nothing was written.',
    },
  );
}

/** All of it in memory, for stdout. */
export async function readBestReviews(source: ExportSource): Promise<BestReviewRecord[]> {
  const all: BestReviewRecord[] = [];
  await forEachBestReview(source, async (records) => {
    all.push(...records);
  });
  return all;
}

export function formatBestReviews(
  records: readonly BestReviewRecord[],
  format: ExportFormat,
): string {
  const { start, piece, end } = writers[format];
  return start + records.map((entry, index) => piece(entry, index === 0)).join('') + end;
}

/**
 * Writes the export to a file, which is the old one or the new one, complete, whatever happens.
 *
 * @returns the number of products
 */
export async function exportToFile(
  source: ExportSource,
  format: ExportFormat,
  path: string,
): Promise<number> {
  const { start, piece, end } = writers[format];
  let count = 0;
  const chunks = new Handover<string>();
  const reading = forEachBestReview(source, async (records) => {
    const text = records.map((entry, index) => piece(entry, count === 0 && index === 0)).join('');
    await chunks.give((count === 0 ? start : '') + text);
    count += records.length;
  }).then(
    () => chunks.end(end),
    (error: unknown) => chunks.fail(error),
  );
  try {
    await writeFileAtomic(path, chunks);
  } finally {
    chunks.close();
    await reading;
  }
  return count;
}

/** Hands chunks from one that gives to one that takes; the giver waits until each is taken. */
class Handover<T> implements AsyncIterable<T> {
  #waiting: { value: T; taken: () => void }[] = [];
  #wake: () => void = () => undefined;
  #outcome: { error?: unknown } | undefined;
  #closed = false;

  give(value: T): Promise<void> {
    if (this.#closed) return Promise.reject(new Error('Nobody takes any more.'));
    return new Promise((taken) => {
      this.#waiting.push({ value, taken });
      this.#wake();
    });
  }

  end(last: T): void {
    this.#waiting.push({ value: last, taken: () => undefined });
    this.#outcome = {};
    this.#wake();
  }

  fail(error: unknown): void {
    this.#outcome = { error };
    this.#wake();
  }

  /** The taker has stopped: releases the giver. */
  close(): void {
    this.#closed = true;
    for (const { taken } of this.#waiting) taken();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) {
        yield next.value;
        next.taken();
      } else if (this.#outcome !== undefined) {
        if ('error' in this.#outcome) throw this.#outcome.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

interface Writer {
  start: string;
  piece(entry: BestReviewRecord, first: boolean): string;
  end: string;
}

const csvCell = (value: unknown): string => {
  const text = value === null ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

const writers: Record<ExportFormat, Writer> = {
  json: {
    start: '[',
    piece: (entry, first) => `${first ? '' : ','}\n${JSON.stringify(entry)}`,
    end: '\n]\n',
  },
  csv: {
    start: `${columns.join(',')}\n`,
    piece: (entry) => `${columns.map((column) => csvCell(entry[column])).join(',')}\n`,
    end: '',
  },
};
