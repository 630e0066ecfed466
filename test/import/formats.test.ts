import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeWorkshop, type Workshop } from './support.js';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await makeWorkshop();
});
afterAll(() => workshop.remove());

const reviews = (condition: string) =>
  workshop.client.query(
    `SELECT r.review_id, r.customer_id, pr.product_id, r.title, r.body, r.rating, r.verified_purchase, r.helpful_votes, r.created_at
     FROM amazon.review r LEFT JOIN amazon.product_reviews pr USING (review_id) WHERE ${condition} ORDER BY 3, 6, 5`,
  );

const readRejects = (path: string | null): Record<string, unknown>[] =>
  readFileSync(path ?? '', 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const lines = (...records: object[]): string =>
  records.map((record) => JSON.stringify(record)).join('\n');

describe('amazon-tsv', () => {
  const header =
    'marketplace\tcustomer_id\treview_id\tproduct_id\tproduct_parent\tproduct_title\tproduct_category\tstar_rating\thelpful_votes\ttotal_votes\tvine\tverified_purchase\treview_headline\treview_body\treview_date';
  const row = (fields: Record<string, string>): string =>
    header
      .split('\t')
      .map((name) => fields[name] ?? '')
      .join('\t');
  const good = {
    customer_id: 'tc1',
    review_id: 'TR1',
    product_id: 'TP1',
    product_title: '9" pan, "large',
    product_category: 'Home & Kitchen',
    star_rating: '5',
    helpful_votes: '1,341',
    verified_purchase: 'Y',
    review_headline: '"',
    review_body: 'A "raw" quote<br />&#34;and\u001a more 😀',
    review_date: '2015-08-31',
  };

  it('stores what the source says, quotes and all, and counts every record', async () => {
    const path = await workshop.write(
      'a.tsv',
      [
        header,
        row(good),
        row(good),
        '',
        row({
          ...good,
          review_id: 'TR2',
          star_rating: '',
          review_date: '',
          verified_purchase: 'N',
        }),
        row({ ...good, review_id: 'TR3', star_rating: 'abc' }),
        row({ ...good, review_id: 'TR4', star_rating: '4.5' }),
        row({ ...good, review_id: 'TR5', review_date: 'yesterday' }),
        row({ ...good, review_id: 'TR6', helpful_votes: '-1' }),
        row({ ...good, review_id: 'TR7', product_id: '' }),
        row({ ...good, review_id: 'TR8', star_rating: '40000' }),
        'US\tcut short',
        '',
      ].join('\r\n'),
    );
    const result = await workshop.import([path]);
    expect(result).toMatchObject({
      format: 'amazon-tsv',
      read: 10,
      loaded: 2,
      rejected: 7,
      folded: 1,
    });
    expect(result.files).toMatchObject([{ path, table: null, read: 10, blankLines: 1 }]);
    expect(await reviews("r.review_id LIKE 'TR%'")).toEqual([
      {
        review_id: 'TR1',
        customer_id: 'tc1',
        product_id: 'TP1',
        title: '"',
        body: good.review_body,
        rating: 5,
        verified_purchase: true,
        helpful_votes: 1341,
        created_at: new Date('2015-08-31T00:00:00Z'),
      },
      expect.objectContaining({
        review_id: 'TR2',
        rating: null,
        created_at: null,
        verified_purchase: false,
      }),
    ]);
    expect(
      await workshop.client.query(
        "SELECT name, category_id FROM amazon.product WHERE product_id = 'TP1'",
      ),
    ).toEqual([{ name: '9" pan, "large', category_id: 'home-kitchen' }]);
    expect(
      await workshop.client.query("SELECT 1 FROM amazon.buyer WHERE buyer_id = 'tc1'"),
    ).toHaveLength(1);

    const rejects = readRejects(result.rejectsFile);
    expect(statSync(result.rejectsFile ?? '').mode & 0o777).toBe(0o600);
    expect(rejects.map(({ file, line, rule }) => [file, line, rule])).toEqual([
      [path, 12, 'field_count'],
      [path, 6, 'rating_unreadable'],
      [path, 7, 'rating_unreadable'],
      [path, 8, 'date_unreadable'],
      [path, 9, 'votes_unreadable'],
      [path, 10, 'product_id_missing'],
      [path, 11, 'wrong_type'],
    ]);
    expect(rejects[1]).toMatchObject({
      reason: 'star_rating is not a whole number: "abc"',
      record: { review_id: 'TR3', star_rating: 'abc' },
    });
  });
});

describe('datafiniti', () => {
  const header =
    'id,name,asins,brand,categories,reviews.date,reviews.didPurchase,reviews.doRecommend,reviews.id,reviews.numHelpful,reviews.rating,reviews.text,reviews.title,reviews.username';
  const content = [
    header,
    'X1,"Speaker\r\n(black),,,",DB1,Us,"Stereos, Audio",2017-01-13T00:00:00.000Z,,TRUE,,0,5,"Says ""hi""\r\ntwice",Nice,ann',
    'X2,,"DB2,DB3",Us,Audio,2012-02-24T00:00:00Z,TRUE,,,,,,,ben',
    'X2,Late name,"DB2,DB3",Us,Audio,,FALSE,,,7,4,Fine,,None',
    'X3,No asin,,Us,,,,,,,1,Bad,,ann',
    'X3,No asin,,Us,,,,,,,1,Bad,,ann',
    'X4,Wrong,DB4,Us,,13/01/2017,,,,,1,Bad,,ann',
    '',
  ].join('\r\n');

  it('keys products by the first ASIN and customers by name', async () => {
    const path = await workshop.writeGzip('datafiniti.bin', content);
    const result = await workshop.import([path]);
    expect(result).toMatchObject({
      format: 'datafiniti',
      read: 6,
      loaded: 4,
      rejected: 1,
      folded: 1,
    });
    const rows = await reviews("r.review_id LIKE 'df:%'");
    expect(rows).toMatchObject([
      {
        product_id: 'DB1',
        body: 'Says "hi"\r\ntwice',
        rating: 5,
        verified_purchase: null,
        helpful_votes: 0,
        created_at: new Date('2017-01-13T00:00:00Z'),
      },
      { product_id: 'DB2', customer_id: null, rating: 4, helpful_votes: 7, created_at: null },
      { product_id: 'DB2', rating: null, body: null, created_at: new Date('2012-02-24T00:00:00Z') },
      { product_id: 'X3', rating: 1 },
    ]);
    expect(rows[0]?.customer_id).toMatch(/^user:[0-9a-f]{32}$/);
    expect(rows[3]?.customer_id).toBe(rows[0]?.customer_id);
    expect(
      await workshop.client.query(
        "SELECT product_id, name, category_id FROM amazon.product WHERE product_id ~ '^(DB|X)' ORDER BY 1",
      ),
    ).toEqual([
      { product_id: 'DB1', name: 'Speaker\r\n(black),,,', category_id: 'stereos' },
      { product_id: 'DB2', name: 'Late name', category_id: 'audio' },
      { product_id: 'X3', name: 'No asin', category_id: null },
    ]);
    // The record starts on line 9: two names or texts before it take two lines.
    expect(readRejects(result.rejectsFile)).toMatchObject([{ line: 9, rule: 'date_unreadable' }]);
  });

  it('derives the same ids every time', async () => {
    const path = await workshop.write('again.csv', `\ufeff${content}`);
    const result = await workshop.import([path]);
    expect(result).toMatchObject({ read: 6, loaded: 0, rejected: 1, folded: 5 });
    expect(result.tables.every(({ rows }) => rows === 0)).toBe(true);
  });
});

describe('UCSD', () => {
  it('reads 2014: helpful is a pair', async () => {
    const path = await workshop.write(
      'reviews.json',
      lines(
        {
          reviewerID: 'U14',
          asin: 'P14',
          reviewerName: 'x',
          helpful: [2, 3],
          reviewText: 'ok',
          overall: 4.0,
          summary: 's',
          unixReviewTime: 1_252_800_000,
          reviewTime: '09 13, 2009',
        },
        { reviewerID: 'U14', asin: 'P15', helpful: [0, 0], overall: 1, reviewTime: '09 3, 2009' },
      ),
    );
    expect(await workshop.import([path])).toMatchObject({
      format: 'ucsd-2014',
      read: 2,
      loaded: 2,
    });
    expect(await reviews("r.customer_id = 'U14'")).toMatchObject([
      { helpful_votes: 2, rating: 4, created_at: new Date('2009-09-13T00:00:00Z'), body: 'ok' },
      { helpful_votes: 0, created_at: new Date('2009-09-03T00:00:00Z'), body: null, title: null },
    ]);
  });

  it('reads 2018: absent keys, votes with commas, images, and folds only what is wholly equal', async () => {
    const one = {
      overall: 5,
      vote: '1,341',
      verified: true,
      reviewTime: '09 1, 2016',
      reviewerID: 'U18',
      asin: 'P18',
      style: { 'Size:': ' L' },
      image: ['https://i.example/1.jpg', 'https://i.example/2.jpg', 'https://i.example/1.jpg'],
      reviewText: '&nbsp;it&#039;s\u2028fine',
      summary: 'a',
      unixReviewTime: 1_472_688_000,
    };
    const { style: _style, image: _image, ...bare } = one;
    const path = await workshop.writeGzip(
      'reviews.json.gz',
      [
        lines(one, one, { ...one, reviewText: 'another text' }, bare),
        '{"overall": 5, broken',
        '[1, 2]',
        lines({ ...one, reviewText: 'a\u0000b' }, { ...one, asin: undefined }),
        lines({ ...one, reviewText: 'says \\u0000 in words' }),
        '{"overall": NaN, "asin": "P18"}',
      ].join('\n'),
    );
    const result = await workshop.import([path]);
    expect(result).toMatchObject({
      format: 'ucsd-2018',
      read: 10,
      loaded: 4,
      rejected: 5,
      folded: 1,
    });
    expect(readRejects(result.rejectsFile).map(({ line, rule }) => [line, rule])).toEqual([
      [5, 'not_json'],
      [6, 'not_an_object'],
      [7, 'nul_character'],
      [8, 'product_id_missing'],
      [10, 'rating_unreadable'],
    ]);
    const rows = await reviews("r.customer_id = 'U18'");
    expect(rows.map(({ body }) => body).sort()).toEqual(
      ['another text', one.reviewText, one.reviewText, 'says \\u0000 in words'].sort(),
    );
    expect(rows[0]).toMatchObject({ helpful_votes: 1341, verified_purchase: true });
    expect(
      await workshop.client.query(
        `SELECT image_url, count(*)::int FROM amazon.review_images GROUP BY 1 ORDER BY 1`,
      ),
    ).toEqual([
      { image_url: 'https://i.example/1.jpg', count: 3 },
      { image_url: 'https://i.example/2.jpg', count: 3 },
    ]);
  });

  it('rejects what no index can hold, and loads the rest', async () => {
    const noise = randomBytes(6000).toString('base64');
    const one = { overall: 5, verified: true, reviewText: 'x', unixReviewTime: 1_472_688_000 };
    const path = await workshop.write(
      'long-keys.jsonl',
      lines(
        { ...one, reviewerID: 'ULONG', asin: noise },
        { ...one, reviewerID: noise, asin: 'PLONG' },
        { ...one, reviewerID: 'ULONG', asin: 'PLONG', image: ['i', `data:image/png,${noise}`] },
        { ...one, reviewerID: 'ULONG', asin: 'PLONG', image: 'https://i.example/alone.jpg' },
        { ...one, reviewerID: 'ULONG', asin: 'PLONG', image: null },
      ),
    );
    const result = await workshop.import([path]);
    expect(result).toMatchObject({ read: 5, loaded: 2, rejected: 3 });
    expect(readRejects(result.rejectsFile).map(({ line, rule }) => [line, rule])).toEqual([
      [1, 'key_too_long'],
      [2, 'key_too_long'],
      [3, 'key_too_long'],
    ]);
    expect(
      await workshop.client.query(
        `SELECT image_url FROM amazon.review_images JOIN amazon.review USING (review_id) WHERE customer_id = 'ULONG'`,
      ),
    ).toEqual([{ image_url: 'https://i.example/alone.jpg' }]);
  });

  it('reads 2023: milliseconds, parent products, image objects', async () => {
    const path = await workshop.write(
      'r23.jsonl',
      lines({
        rating: 3.0,
        title: 't',
        text: 'b',
        images: [
          {
            small_image_url: 's',
            medium_image_url: 'm',
            large_image_url: 'big',
            attachment_type: 'I',
          },
          { small_image_url: 'small' },
          'bare',
          { caption: 'no address' },
          null,
        ],
        asin: 'V1',
        parent_asin: 'P23',
        user_id: 'U23',
        timestamp: 1_588_687_728_923,
        helpful_vote: 2,
        verified_purchase: false,
      }),
    );
    expect(await workshop.import([path])).toMatchObject({
      format: 'ucsd-2023',
      loaded: 1,
    });
    const [review] = await reviews("r.customer_id = 'U23'");
    expect(review).toMatchObject({
      product_id: 'P23',
      rating: 3,
      helpful_votes: 2,
      verified_purchase: false,
      created_at: new Date(1_588_687_728_923),
    });
    expect(
      await workshop.client.query(
        'SELECT image_url FROM amazon.review_images WHERE review_id = $1 ORDER BY 1',
        [review?.review_id],
      ),
    ).toEqual([{ image_url: 'bare' }, { image_url: 'big' }, { image_url: 'small' }]);
  });
});

describe('fine-food', () => {
  it('does not take the place in the file for a key', async () => {
    const path = await workshop.write(
      'Reviews.csv',
      'Id,ProductId,UserId,ProfileName,HelpfulnessNumerator,HelpfulnessDenominator,Score,Time,Summary,Text\n1,F1,FU,x,1,1,5,1303862400,Good,"Yum, ""really"""\n2,F1,FU,x,1,1,5,1303862400,Good,"Yum, ""really"""\n3,F2,FU,x,1,1,5,1303862400,Good,"Yum, ""really"""\n',
    );
    expect(await workshop.import([path])).toMatchObject({
      format: 'fine-food',
      read: 3,
      loaded: 2,
      folded: 1,
    });
    expect(await reviews("r.customer_id = 'FU'")).toMatchObject([
      { product_id: 'F1', created_at: new Date('2011-04-27T00:00:00Z'), body: 'Yum, "really"' },
      { product_id: 'F2' },
    ]);
  });
});
