import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batchColumns, factColumns } from '../../src/pipeline/fact-columns.js';
import { askPython, makeSite, type PipelineRunResult, type Site } from './peers.js';

interface FileDescription {
  key: string;
  rows: number;
  bytes: number;
  sha256: string;
  codecs: string[];
  columns: Record<string, string>;
  nulls: Record<string, number>;
}

const utc = 'timestamp[us, tz=UTC]';
const money = 'decimal128(12, 2)';

/** Types as Arrow names them, from the schema of the source tables. */
const bronze: Record<string, Record<string, string>> = {
  customer: {
    customer_id: 'string',
    first_name: 'string',
    last_name: 'string',
    email: 'string',
    phone: 'string',
    created_at: utc,
  },
  buyer: { buyer_id: 'string' },
  category: { category_id: 'string', name: 'string', description: 'string' },
  product: {
    product_id: 'string',
    name: 'string',
    description: 'string',
    price: money,
    quantity: 'int32',
    category_id: 'string',
  },
  product_images: { product_id: 'string', image_url: 'string' },
  review: {
    review_id: 'string',
    customer_id: 'string',
    title: 'string',
    body: 'string',
    rating: 'int16',
    verified_purchase: 'bool',
    helpful_votes: 'int32',
    created_at: utc,
  },
  review_images: { review_id: 'string', image_url: 'string' },
  product_reviews: { product_id: 'string', review_id: 'string' },
  orders: {
    order_id: 'string',
    buyer_id: 'string',
    carrier_id: 'string',
    status: 'string',
    total: money,
    ordered_at: utc,
  },
  order_items: {
    order_id: 'string',
    product_id: 'string',
    quantity: 'int32',
    unit_price: money,
  },
  carrier: { carrier_id: 'string', name: 'string' },
};

const gold: Record<string, string> = {
  review_id: 'string',
  product_id: 'string',
  buyer_id: 'string',
  product_name: 'string',
  category: 'string',
  title: 'string',
  body: 'string',
  rating: 'int16',
  text_length: 'int32',
  has_image: 'bool',
  image_url: 'string',
  verified_purchase: 'bool',
  helpful_votes: 'int32',
  order_count: 'int32',
  reviewed_at: utc,
  score: 'double',
  is_relevant: 'bool',
  score_length: 'double',
  score_image: 'double',
  score_verified: 'double',
  score_extremity: 'double',
  score_freshness: 'double',
  score_votes: 'double',
  score_buyer: 'double',
  score_sentiment: 'double',
  batch_id: 'string',
  ingested_at: utc,
  pipeline_version: 'string',
};

/** Columns of gold that may hold nulls; those of the serving table that are not NOT NULL. */
const optional = [
  'buyer_id',
  'product_name',
  'title',
  'image_url',
  'reviewed_at',
  'score_sentiment',
];

const reviews = 4_000;

describe('a batch, read by others', () => {
  let site: Site;
  let run: PipelineRunResult;
  let files: FileDescription[];
  const of = (layer: string, table: string): FileDescription | undefined =>
    files.find(({ key }) => key === `${layer}/batch=${run.batchId}/${table}.parquet`);

  beforeAll(async () => {
    site = await makeSite();
    await site.cli('db', 'import', '--sample', String(reviews));
    run = await site.cli<PipelineRunResult>('pipeline', 'run');
    files = await askPython<FileDescription[]>('read_lake.py', site.lake, run.batchId);
  });
  afterAll(() => site?.dispose());

  it('opens in pyarrow with the types of the source', () => {
    for (const [table, columns] of Object.entries(bronze)) {
      expect(of('bronze', table)?.columns, table).toEqual(columns);
    }
    const silver = of('silver', 'review');
    expect(silver?.columns).toMatchObject({
      rating: 'int16',
      has_image: 'bool',
      verified_purchase: 'bool',
      helpful_votes: 'int32',
      order_count: 'int32',
      buyer_since: utc,
      reviewed_at: utc,
    });
    expect(of('silver', 'rejected')?.columns).toEqual({
      review_id: 'string',
      reason: 'string',
      error_details: 'string',
      rejected_at: utc,
      original_data: 'string',
    });
    expect(of('gold', 'fact_reviews')?.columns).toEqual(gold);
    expect(Object.keys(gold).map((name) => name.replace('buyer_id', 'customer_id'))).toEqual([
      ...factColumns,
      ...batchColumns,
    ]);
    expect(new Set(files.flatMap(({ codecs }) => codecs))).toEqual(new Set(['ZSTD']));
  });

  it('holds nulls where the source has them, and nowhere else', async () => {
    const client = await site.database.client();
    for (const [table, columns] of Object.entries(bronze)) {
      const counts = Object.keys(columns).map(
        (column) => `count(*) FILTER (WHERE ${column} IS NULL)::int AS ${column}`,
      );
      const [row] = await client.query(`SELECT ${counts.join(', ')} FROM amazon.${table}`);
      expect(of('bronze', table)?.nulls, table).toEqual(row);
    }
    const present = Object.entries(of('gold', 'fact_reviews')?.nulls ?? {});
    const withNulls = present.filter(([, nulls]) => nulls > 0).map(([name]) => name);
    expect(withNulls.filter((name) => !optional.includes(name))).toEqual([]);
    expect(withNulls).toContain('title');
  });

  it('has the rows, bytes and hashes of its manifests, and no other file', async () => {
    const named = [];
    for (const layer of ['bronze', 'silver', 'gold'] as const) {
      const { tables } = await site.manifest(layer, run.batchId);
      named.push(
        ...tables.flatMap((table) =>
          table.files.map(({ key, rows, bytes, sha256 }) => ({ key, rows, bytes, sha256 })),
        ),
      );
    }
    const found = files.map(({ key, rows, bytes, sha256 }) => ({ key, rows, bytes, sha256 }));
    const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
    expect(found.sort(byKey)).toEqual(named.sort(byKey));
    expect(named).toHaveLength(Object.keys(bronze).length + 3);
  });

  it('neither loses nor invents rows between the database and the layers', async () => {
    const client = await site.database.client();
    for (const table of Object.keys(bronze)) {
      const [row] = await client.query<{ rows: number }>(
        `SELECT count(*)::int AS rows FROM amazon.${table}`,
      );
      expect(of('bronze', table)?.rows, table).toBe(row?.rows);
    }
    const accepted = of('silver', 'review')?.rows ?? 0;
    const rejected = of('silver', 'rejected')?.rows ?? 0;
    expect(accepted + rejected).toBe(reviews);
    expect(rejected).toBeGreaterThan(0);
    expect(of('gold', 'fact_reviews')?.rows).toBe(accepted);
    const [published] = await client.query<{ rows: number }>(
      'SELECT count(*)::int AS rows FROM amazon.fact_reviews',
    );
    expect(published?.rows).toBe(accepted);
  });
});
