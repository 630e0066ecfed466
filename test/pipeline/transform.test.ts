import { afterEach, describe, expect, it } from 'vitest';
import { manifestKey } from '../../src/lake/layout.js';
import { pseudonym } from '../../src/pipeline/pseudonym.js';
import { transform } from '../../src/pipeline/transform.js';
import { derivePrivacyKeys } from '../../src/privacy/keys.js';
import { addTombstones } from '../../src/privacy/suppression.js';
import { makeStageWorld, type StageWorld, testPseudonymKey } from '../support/stage.js';

const batchId = '20260102_030405';

/** One row a review, as VALUES of: id, customer, title, body, rating, verified, votes, created. */
const reviews = (rows: string): string =>
  `SELECT * FROM (VALUES ${rows}) AS t(review_id, customer_id, title, body, rating, verified_purchase, helpful_votes, created_at)`;

const sound = "('R1', 'C1', 'Fine', 'It works.', 5, true, 3, TIMESTAMPTZ '2025-01-01 00:00:00+00')";

const tables = (rows: string, others: Record<string, string> = {}) => ({
  review: reviews(rows),
  product_reviews:
    "SELECT DISTINCT review_id, 'P1' AS product_id FROM (SELECT unnest(['R1','R2','R3','R4','R5','R6','R7']) AS review_id)",
  review_images: "SELECT 'x' AS review_id, 'y' AS image_url WHERE false",
  product: "SELECT 'P1' AS product_id, 'Lamp' AS name, 'K1' AS category_id",
  category: "SELECT 'K1' AS category_id, 'Home' AS name",
  customer: "SELECT 'C1' AS customer_id, TIMESTAMPTZ '2020-01-01 00:00:00+00' AS created_at",
  orders: "SELECT 'O1' AS order_id, 'C2' AS buyer_id",
  ...others,
});

interface SilverRow {
  review_id: string;
  buyer_id: string | null;
  product_name: string | null;
  category: string;
  title: string | null;
  body: string;
  text_length: number;
  has_image: boolean;
  image_url: string | null;
  verified_purchase: boolean;
  helpful_votes: number;
  order_count: number;
  reviewed_at: Date | null;
}

/** Codes of the control characters that no text keeps. */
const controls = [...Array(32).keys(), 127].filter((code) => ![0, 9, 10, 13].includes(code));

describe('transform', () => {
  let world: StageWorld;
  afterEach(() => world.dispose());

  const run = async (rows: string, others?: Record<string, string>, settings?: object) => {
    world = await makeStageWorld(settings === undefined ? {} : { settings });
    await world.publishBronze(batchId, tables(rows, others));
    const result = await transform(world.context, batchId);
    return {
      result,
      silver: await world.rows<SilverRow>('silver', batchId, 'review'),
      rejected: await world.rows<{
        review_id: string | null;
        reason: string;
        original_data: string;
      }>('silver', batchId, 'rejected', 'reason, review_id'),
    };
  };

  it('rejects by the first rule a row breaks, keeps its data, and every row is accounted for', async () => {
    const { result, silver, rejected } = await run(
      `${sound},
       ('R1', 'C1', 'Second', 'The same id again.', 9, NULL, NULL, NULL),
       (NULL, 'C1', 'No id', 'Text', 4, NULL, NULL, NULL),
       ('R2', 'C1', 'No rating', 'Text', NULL, NULL, NULL, NULL),
       ('R3', 'C1', 'Six', 'Text', 6, NULL, NULL, NULL),
       ('R4', 'C1', 'Zero', '', 0, NULL, NULL, NULL),
       ('R5', 'C1', 'Blank', E' \\n\\t ', 3, NULL, NULL, NULL),
       ('R6', 'C1', 'Markup only', '<br /><p>&nbsp;</p>', 3, NULL, NULL, NULL),
       ('R9', 'C1', 'No product', 'Text', 3, NULL, NULL, NULL)`,
    );
    expect(silver.map(({ review_id }) => review_id)).toEqual(['R1']);
    expect(silver[0]?.title).toBe('Fine');
    expect(rejected.map(({ review_id, reason }) => [review_id, reason])).toEqual([
      ['R5', 'body_blank'],
      ['R6', 'body_blank'],
      ['R1', 'duplicate_review_id'],
      ['R9', 'product_unknown'],
      ['R2', 'rating_missing'],
      ['R3', 'rating_out_of_range'],
      ['R4', 'rating_out_of_range'],
      [null, 'review_id_missing'],
    ]);
    expect(result).toMatchObject({ stage: 'transform', rowsIn: 9, rowsOut: 1, rejected: 8 });
    expect((await world.manifest('silver', batchId)).rejected).toEqual({
      body_blank: 2,
      duplicate_review_id: 1,
      product_unknown: 1,
      rating_missing: 1,
      rating_out_of_range: 2,
      review_id_missing: 1,
    });
    expect(JSON.parse(rejected[2]?.original_data ?? '{}')).toMatchObject({
      review_id: 'R1',
      title: 'Second',
      rating: 9,
    });
  });

  it('rejects values that would be altered, keeps them as they were, and takes texts that say nothing', async () => {
    const { result, silver, rejected } = await run(
      `('R1', 'C1', 'x', 'b', '5', 'Y', '-7', '0044-03-15 12:00:00.5+00 BC'),
       ('R2', 'C1', 'x', 'b', ' 4 ', 'NULL', '', 'n/a'),
       ('R3', 'C1', 'x', 'b', '5 stars', 'true', '1', NULL),
       ('R4', 'C1', 'x', 'b', '3', 'perhaps', '1', NULL),
       ('R5', 'C1', 'x', 'b', '3', 'no', '3000000000', NULL),
       ('R6', 'C1', 'x', 'b', '3', 'no', '3.7', NULL),
       ('R7', 'C1', 'x', 'b', '3', 'no', '1', '294276-12-31 00:00:00+00')`,
    );
    expect(result).toMatchObject({ rowsIn: 7, rowsOut: 2, rejected: 5 });
    expect(
      await world.rows(
        'silver',
        batchId,
        'review',
        'review_id',
        'rating, verified_purchase, helpful_votes, CAST(reviewed_at AS VARCHAR) AS at',
      ),
    ).toEqual([
      {
        rating: 5,
        verified_purchase: true,
        helpful_votes: -7,
        at: '0044-03-15 (BC) 12:00:00.5+00',
      },
      { rating: 4, verified_purchase: false, helpful_votes: 0, at: null },
    ]);
    expect(silver).toHaveLength(2);
    const kept = (data: string, name: string) => JSON.parse(data)[name];
    expect(
      rejected.map(({ review_id, reason, original_data: data }) => [
        review_id,
        reason,
        kept(data, reason.replace(/_(?:invalid|missing)$/, '')),
      ]),
    ).toEqual([
      ['R7', 'created_at_invalid', '294276-12-31 00:00:00+00'],
      ['R5', 'helpful_votes_invalid', '3000000000'],
      ['R6', 'helpful_votes_invalid', '3.7'],
      ['R3', 'rating_missing', '5 stars'],
      ['R4', 'verified_purchase_invalid', 'perhaps'],
    ]);
  });

  it('rounds no rating and no votes', async () => {
    const decimal = (value: string) => `CAST('${value}' AS DECIMAL(38,20))`;
    const { silver, rejected } = await run(
      `('R1', 'C1', 'x', 'b', ${decimal('4.99999999999999999999')}, true, ${decimal('1')}, NULL),
       ('R2', 'C1', 'x', 'b', ${decimal('4')}, true, ${decimal('2')}, NULL),
       ('R3', 'C1', 'x', 'b', ${decimal('4')}, true, ${decimal('2.5')}, NULL)`,
    );
    expect(silver.map(({ review_id, helpful_votes }) => [review_id, helpful_votes])).toEqual([
      ['R2', 2],
    ]);
    expect(rejected.map(({ review_id, reason }) => [review_id, reason])).toEqual([
      ['R3', 'helpful_votes_invalid'],
      ['R1', 'rating_out_of_range'],
    ]);
    expect(JSON.parse(rejected[1]?.original_data ?? '').rating).toBe('4.99999999999999999999');
  });

  it('rounds no rating that is a text', async () => {
    const texts = [
      '4.99999999999999999999',
      '5.000',
      ' +4 ',
      '3e0',
      '5.0000000000000000000000001',
      '4.5',
    ];
    const { silver, rejected } = await run(
      texts.map((text, i) => `('R${i + 1}', 'C1', 'x', 'b', '${text}', true, 1, NULL)`).join(', '),
    );
    const ratings = await world.rows<{ rating: number }>(
      'silver',
      batchId,
      'review',
      'review_id',
      'rating',
    );
    expect(silver.map(({ review_id }) => review_id).sort()).toEqual(['R2', 'R3', 'R4']);
    expect(ratings.map(({ rating }) => rating)).toEqual([5, 4, 3]);
    expect(
      rejected.map(({ review_id, reason, original_data: data }) => [
        review_id,
        reason,
        JSON.parse(data).rating,
      ]),
    ).toEqual([
      ['R1', 'rating_out_of_range', texts[0]],
      ['R5', 'rating_out_of_range', texts[4]],
      ['R6', 'rating_out_of_range', 4.5],
    ]);
  });

  it('tells how many times of accounts cannot be read', async () => {
    const { silver } = await run(sound, {
      customer:
        "SELECT * FROM (VALUES ('C1', 'long ago'), ('C2', '2020-01-01'), ('C3', 'n/a'), ('C4', NULL)) t(customer_id, created_at)",
    });
    expect(silver).toHaveLength(1);
    const warned = world.events.flatMap((event) => (event.type === 'warning' ? event.message : []));
    expect(warned).toEqual([
      'Of the values in column "created_at" of table "customer", 1 cannot be read and count as absent.',
    ]);
  });

  it('gives a review once for each product, whatever the sources without keys repeat', async () => {
    const twice = (columns: string) => `SELECT ${columns} FROM range(2) t(i)`;
    const { result, silver } = await run(
      `${sound}, ('R2', 'C1', 'x', 'only a link to nothing', 5, true, 1, NULL)`,
      {
        product_reviews:
          "SELECT * FROM (VALUES ('R1','P1'), ('R1','P1'), ('R1','P2'), ('R1',NULL), ('R2',NULL)) t(review_id, product_id)",
        product: twice("'P1' AS product_id, 'Lamp ' || i AS name, 'K1' AS category_id"),
        category: twice("'K1' AS category_id, 'Home ' || i AS name"),
        customer: twice(
          "'C1' AS customer_id, TIMESTAMPTZ '2020-01-01 00:00:00+00' + to_days(CAST(i AS INTEGER)) AS created_at",
        ),
      },
    );
    expect(result).toMatchObject({ rowsIn: 2, rowsOut: 2, rejected: 1 });
    silver.sort((a, b) => a.category.localeCompare(b.category));
    expect(silver.map((row) => [row.review_id, row.product_name, row.category])).toEqual([
      ['R1', 'Lamp 0', 'Home 0'],
      ['R1', null, 'Unknown'],
    ]);
    expect((await world.manifest('silver', batchId)).rejected).toEqual({ product_unknown: 1 });
    const said = world.events.flatMap((event) =>
      event.type === 'warning' && event.message.includes('an id that another row has')
        ? [/^Table "(\w+)" has 1 rows/.exec(event.message)?.[1]]
        : [],
    );
    expect(said.sort()).toEqual(['category', 'customer', 'product']);
  });

  it('replaces customer ids by the keyed pseudonym, in rejected rows too', async () => {
    const { silver, rejected } = await run(
      `${sound}, ('R2', 'C9', 'x', 'not in customer', 5, NULL, NULL, NULL), ('R3', 'C9', 'x', 'bad', 7, NULL, NULL, NULL), ('R4', NULL, 'x', 'anonymous', 5, NULL, NULL, NULL)`,
    );
    const key = world.context.pseudonymKey;
    expect(silver.map(({ buyer_id }) => buyer_id)).toEqual([
      pseudonym('C1', key),
      pseudonym('C9', key),
      null,
    ]);
    expect(JSON.parse(rejected[0]?.original_data ?? '{}').buyer_id).toBe(pseudonym('C9', key));
    expect(rejected[0]?.original_data).not.toContain('C9"');
    expect(JSON.stringify(await world.manifest('silver', batchId))).not.toContain(
      Buffer.from(key).toString('hex'),
    );
  });

  it('cleans text without touching what an author wrote', async () => {
    const { silver } = await run(
      `('R1', 'C1', 'None', 'I <3 it &amp; &#34;you&#34;<br />line two &lt;b&gt;', 5, NULL, NULL, NULL),
       ('R2', 'C1', ' N/A ', 'stray' || chr(26) || ' control [[VIDEOID:abc123]] end', 5, NULL, NULL, NULL),
       ('R3', 'C1', 'It&#039;s &nbsp;ok', 'None', 5, NULL, NULL, NULL),
       ('R4', 'C1', 'x', '  😀 ünïcode  ', 5, NULL, NULL, NULL)`,
    );
    expect(silver.map(({ title, body }) => [title, body])).toEqual([
      [null, 'I <3 it & "you"\nline two <b>'],
      [null, 'stray control  end'],
      ["It's  ok", 'None'],
      ['x', '😀 ünïcode'],
    ]);
    expect(silver[3]?.text_length).toBe(9);
  });

  it('removes every control character but tab and line ends, and no backslash', async () => {
    const { silver } = await run(
      `('R0', 'C1', 'x', 'C:\\u0041\\bin\\f', 5, NULL, NULL, NULL), ` +
        `('R1', 'C1', 'x', 'a' || chr(9) || 'b' || chr(10) || 'c' || chr(13) || 'd', 5, NULL, NULL, NULL), ` +
        controls
          .map(
            (code) => `('R2-${code}', 'C1', 'x', 'a' || chr(${code}) || 'é', 5, NULL, NULL, NULL)`,
          )
          .join(', '),
      {
        product_reviews: `SELECT unnest(['R0', 'R1', ${controls.map((code) => `'R2-${code}'`).join(', ')}]) AS review_id, 'P1' AS product_id`,
      },
    );
    const bodies = silver.map(({ body }) => body);
    expect(bodies.slice(0, 2)).toEqual(['C:\\u0041\\bin\\f', 'a\tb\nc\rd']);
    expect(bodies.slice(2)).toEqual(controls.map(() => 'aé'));
  });

  it('joins product, category, first image and orders', async () => {
    const { silver } = await run(
      `${sound}, ('R2', 'C2', 'x', 'ordered', 5, NULL, NULL, NULL), ('R3', 'C2', 'x', 'flag says no', 5, false, 2, NULL), ('R4', 'C3', 'x', 'no order', 5, NULL, NULL, NULL)`,
      {
        product_reviews:
          "SELECT * FROM (VALUES ('R1','P1'), ('R2','P2'), ('R3','P3'), ('R4', 'P1')) t(review_id, product_id)",
        product:
          "SELECT * FROM (VALUES ('P1','Lamp','K1'), ('P2','NULL',NULL)) t(product_id, name, category_id)",
        review_images:
          "SELECT * FROM (VALUES ('R1','b.jpg'), ('R1','a.jpg'), ('R2',''), ('R2', NULL)) t(review_id, image_url)",
        orders:
          "SELECT * FROM (VALUES ('O1','C2'), ('O1','C2'), ('O2','C2')) t(order_id, buyer_id)",
      },
    );
    expect(
      silver.map((row) => [
        row.product_name,
        row.category,
        row.has_image,
        row.image_url,
        row.verified_purchase,
        row.order_count,
      ]),
    ).toEqual([
      ['Lamp', 'Home', true, 'a.jpg', true, 0],
      [null, 'Unknown', false, null, true, 2],
      [null, 'Unknown', false, null, false, 2],
      ['Lamp', 'Home', false, null, false, 0],
    ]);
  });

  it('gives the same rows, piece by piece or all at once', async () => {
    const files = [
      `${sound}, ('R2', 'C2', 'x', 'first', 4, NULL, NULL, NULL), ('R3', 'C3', 'x', '', 3, NULL, NULL, NULL)`,
      "('R2', 'C1', 'x', 'the id again, in another file', 4, NULL, NULL, NULL), ('R4', 'C2', 'x', 'same buyer', 2, NULL, NULL, NULL)",
      "('R5', 'C9', 'x', 'unknown buyer', 5, NULL, NULL, NULL), ('R6', 'C1', 'x', 'first buyer', 5, NULL, NULL, NULL), ('R9', 'C1', 'x', 'No product', 1, NULL, NULL, NULL)",
    ].map(reviews);
    world = await makeStageWorld();
    await world.publishBronze(batchId, {
      ...tables(sound, {
        review_images:
          "SELECT * FROM (VALUES ('R1','b.jpg'), ('R6','c.jpg'), ('R6','a.jpg')) t(review_id, image_url)",
      }),
      review: files,
    });
    const results = [];
    for (const pieceRows of [1, 3, 100]) {
      const { rowsOut, rejected } = await transform(world.context, batchId, pieceRows);
      results.push({
        counts: { rowsOut, rejected },
        files: (await world.manifest('silver', batchId)).tables[0]?.files.length,
        silver: await world.rows('silver', batchId, 'review', 'review_id'),
        rejects: await world.rows('silver', batchId, 'rejected', 'review_id'),
      });
    }
    expect(results.map(({ counts }) => counts)).toEqual(
      [1, 3, 100].map(() => ({ rowsOut: 5, rejected: 3 })),
    );
    expect(results.map((result) => result.files)).toEqual([3, 3, 1]);
    expect(results[0]?.silver).toEqual(results[2]?.silver);
    expect(results[0]?.rejects).toEqual(results[2]?.rejects);
  });

  it('who is erased while it publishes is in nothing of what it leaves', async () => {
    world = await makeStageWorld();
    const { lake } = world.context;
    await world.publishBronze(
      batchId,
      tables(
        `${sound},
         ('R2', 'C2', 'x', 'fine', 4, NULL, NULL, TIMESTAMPTZ '2025-01-01 00:00:00+00'),
         ('R3', 'C2', 'x', 'six', 6, NULL, NULL, TIMESTAMPTZ '2025-01-01 00:00:00+00'),
         ('R4', 'C1', 'x', 'six', 6, NULL, NULL, NULL)`,
      ),
    );
    const keys = derivePrivacyKeys(testPseudonymKey);
    const erased = pseudonym('C2', testPseudonymKey);
    let before: string[] | undefined;
    // The erasure comes between the manifest and the end of the stage.
    const put = lake.put.bind(lake);
    lake.put = async (...args) => {
      const done = await put(...args);
      if (args[0] === manifestKey('silver', batchId) && before === undefined) {
        const rows = await world.rows<SilverRow>('silver', batchId, 'review');
        before = rows.map(({ review_id }) => review_id);
        await addTombstones(lake, keys, [
          {
            requestId: 'DSR-1',
            kind: 'pseudonym',
            digest: keys.digest('pseudonym', erased),
            effectiveAt: '2026-01-01T00:00:00.000Z',
          },
        ]);
      }
      return done;
    };
    const result = await transform(world.context, batchId);
    expect(before).toEqual(['R1', 'R2']);
    const silver = await world.rows<SilverRow>('silver', batchId, 'review');
    expect(silver.map(({ review_id }) => review_id)).toEqual(['R1']);
    const rejects = await world.rows<{ review_id: string; original_data: string }>(
      'silver',
      batchId,
      'rejected',
    );
    expect(rejects.map(({ review_id }) => review_id)).toEqual(['R4']);
    const { rejected, tables: published } = await world.manifest('silver', batchId);
    expect(rejected).toEqual({ rating_out_of_range: 1 });
    expect(published.map(({ name, rows }) => [name, rows])).toEqual([
      ['review', 1],
      ['rejected', 1],
    ]);
    expect(result).toMatchObject({ rowsOut: 1, rejected: 1 });
  });

  it('gives one row a product to a review of several products', async () => {
    const { silver, result } = await run(sound, {
      product_reviews: "SELECT * FROM (VALUES ('R1','P1'), ('R1','P2')) t(review_id, product_id)",
    });
    expect(silver).toHaveLength(2);
    expect(result.rejected).toBe(0);
  });

  it('treats absent optional tables as empty and says so', async () => {
    world = await makeStageWorld();
    const { review, product_reviews } = tables(sound);
    await world.publishBronze(batchId, { review, product_reviews });
    expect((await transform(world.context, batchId)).rowsOut).toBe(1);
    expect(world.events).toContainEqual(expect.objectContaining({ type: 'warning' }));
  });

  it('names a missing table, and a missing column with its configuration key', async () => {
    world = await makeStageWorld();
    const { product_reviews, ...rest } = tables(sound);
    await world.publishBronze(batchId, rest);
    await expect(transform(world.context, batchId)).rejects.toMatchObject({
      code: 'TABLE_NOT_IN_BATCH',
      message: expect.stringContaining('product_reviews'),
    });
    await world.publishBronze(batchId, {
      ...rest,
      product_reviews: "SELECT 'R1' AS review, 'P1' AS product_id",
    });
    await expect(transform(world.context, batchId)).rejects.toMatchObject({
      code: 'COLUMN_NOT_IN_BATCH',
      message: expect.stringContaining('source.entities.reviewProduct.review_id'),
    });
  });

  it('publishes empty tables for an empty source', async () => {
    const { result, silver } = await run(sound, { review: `${reviews(sound)} WHERE false` });
    expect(silver).toEqual([]);
    expect(result).toMatchObject({ rowsIn: 0, rowsOut: 0, rejected: 0 });
    expect((await world.manifest('silver', batchId)).tables.map(({ name }) => name)).toEqual([
      'review',
      'rejected',
    ]);
  });

  it('replaces its own output when it runs again', async () => {
    await run(sound);
    await transform(world.context, batchId);
    expect((await world.manifest('silver', batchId)).generation).toBe(2);
    expect(await world.rows('silver', batchId, 'review')).toHaveLength(1);
  });
});
