import { afterEach, describe, expect, it } from 'vitest';
import { scoreComponents } from '../../src/config/schema.js';
import { model } from '../../src/pipeline/model.js';
import { scoreWeights } from '../../src/pipeline/score.js';
import { transform } from '../../src/pipeline/transform.js';
import { makeStageWorld, type StageWorld } from '../support/stage.js';

const batchId = '20260102_030405';

interface GoldRow extends Record<string, unknown> {
  review_id: string;
  score: number;
  is_relevant: boolean;
}

const bronze = {
  review: `SELECT * FROM (VALUES
    ('R1', 'C1', 'Great', repeat('x', 300), 5, true, 50, TIMESTAMPTZ '2026-01-02 03:04:05+00'),
    ('R2', 'C2', 'Meh', repeat('x', 500), 3, false, 0, TIMESTAMPTZ '2025-01-02 03:04:05+00'),
    ('R3', NULL, NULL, 'I love this wonderful lamp!', 1, NULL, NULL, NULL)
  ) t(review_id, customer_id, title, body, rating, verified_purchase, helpful_votes, created_at)`,
  product_reviews: "SELECT unnest(['R1', 'R2', 'R3']) AS review_id, 'P1' AS product_id",
  review_images: "SELECT 'R1' AS review_id, 'a.jpg' AS image_url",
  product: "SELECT 'P1' AS product_id, 'Lamp' AS name, 'K1' AS category_id",
  category: "SELECT 'K1' AS category_id, 'Home' AS name",
  customer:
    "SELECT 'C1' AS customer_id, TIMESTAMPTZ '2016-01-01 00:00:00+00' AS created_at UNION ALL SELECT 'C2', NULL",
  orders: "SELECT 'O' || i AS order_id, 'C1' AS buyer_id FROM range(10) t(i)",
};

describe('model', () => {
  let world: StageWorld;
  afterEach(() => world.dispose());

  const score = async (settings: object = {}, tables: Partial<typeof bronze> = {}) => {
    world = await makeStageWorld({ settings: { pipeline: { score: settings } } });
    await world.publishBronze(batchId, { ...bronze, ...tables });
    await transform(world.context, batchId);
    return model(world.context, batchId);
  };

  const run = async (settings: object = {}) => {
    const result = await score(settings);
    return { result, gold: await world.rows<GoldRow>('gold', batchId, 'fact_reviews') };
  };

  it('computes each component from 0 to 1 and the weighted sum', async () => {
    const { gold, result } = await run();
    const [r1, r2, r3] = gold;
    expect(r1).toMatchObject({
      score_length: 1,
      score_image: 1,
      score_verified: 1,
      score_extremity: 1,
      score_freshness: 1,
      score_votes: 1,
      score_buyer: 1,
      score_sentiment: null,
      score: expect.closeTo(100, 9),
      is_relevant: true,
      batch_id: batchId,
      pipeline_version: '0.0.0-test',
    });
    expect(r2).toMatchObject({
      score_length: expect.closeTo(Math.exp(-0.5), 9),
      score_extremity: 0,
      score_freshness: expect.closeTo(0.5, 9),
      score_votes: 0,
      score_buyer: 0,
    });
    // No date, no votes, no buyer: nothing is assumed in the review's favour.
    expect(r3).toMatchObject({ score_freshness: 0, score_votes: 0, score_buyer: 0 });
    const weights = scoreWeights(world.context.config.pipeline.score);
    for (const row of gold) {
      const sum = scoreComponents.reduce(
        (total, name) => total + weights[name] * Number(row[`score_${name}`] ?? 0),
        0,
      );
      expect(row.score).toBeCloseTo(100 * sum, 9);
    }
    expect(result).toMatchObject({ rowsIn: 3, rowsOut: 3, rejected: 0 });
  });

  it('takes infinite dates for what they are: before or after all others', async () => {
    await score(
      {},
      {
        review: `SELECT * FROM (VALUES
          ('R1', 'C1', 'x', 'always', 3, true, 0, TIMESTAMPTZ '-infinity'),
          ('R2', 'C2', 'x', 'not yet', 3, true, 0, TIMESTAMPTZ 'infinity')
        ) t(review_id, customer_id, title, body, rating, verified_purchase, helpful_votes, created_at)`,
        product_reviews: "SELECT unnest(['R1', 'R2']) AS review_id, 'P1' AS product_id",
        customer:
          "SELECT 'C1' AS customer_id, TIMESTAMPTZ '-infinity' AS created_at UNION ALL SELECT 'C2', 'infinity'",
        orders: "SELECT 'O1' AS order_id, 'C9' AS buyer_id",
      },
    );
    const gold = await world.rows<Pick<GoldRow, 'score_freshness' | 'score_buyer'>>(
      'gold',
      batchId,
      'fact_reviews',
      'review_id',
      'score_freshness, score_buyer',
    );
    expect(gold.map((row) => [row.score_freshness, row.score_buyer])).toEqual([
      [0, 0.5],
      [1, 0],
    ]);
  });

  it('reproduces the original formula, sentiment included, as a preset', async () => {
    const { gold } = await run({ preset: 'original' });
    const r3 = gold[2];
    const compound = 2 * Number(r3?.score_sentiment) - 1;
    // VADER by hand: love 3.2, wonderful 2.7, one exclamation mark 0.292, normalised with 15.
    const valence = 3.2 + 2.7 + 0.292;
    expect(compound).toBeCloseTo(valence / Math.sqrt(valence ** 2 + 15), 3);
    const length = Math.exp(-0.5 * ((27 - 300) / 200) ** 2);
    expect(r3?.score).toBeCloseTo(100 * (0.3 * length + 0.15 + 0.25 * ((compound + 1) / 2)), 6);
    expect((await world.manifest('gold', batchId)).settings).toMatchObject({
      preset: 'original',
      weights: { sentiment: 0.25, freshness: 0 },
    });
  });

  it('takes every weight from the configuration, and the scores follow', async () => {
    const { gold } = await run({
      weights: { length: 0, image: 1, verified: 0, extremity: 0, freshness: 0, votes: 0, buyer: 0 },
    });
    expect(gold.map(({ score }) => score)).toEqual([100, 0, 0]);
  });

  it('refuses weights that do not add up to 1, before it touches the lake', async () => {
    await expect(run({ weights: { image: 0.9 } })).rejects.toMatchObject({
      code: 'WEIGHTS_INVALID',
      exitCode: 2,
    });
  });

  it('gives the same scores when it runs again later', async () => {
    const { gold } = await run();
    await model({ ...world.context, now: () => new Date('2030-01-01T00:00:00Z') }, batchId);
    const again = await world.rows<GoldRow>('gold', batchId, 'fact_reviews');
    expect(again.map(({ score }) => score)).toEqual(gold.map(({ score }) => score));
  });

  it('names what silver lacks', async () => {
    world = await makeStageWorld();
    await world.publishBronze(batchId, bronze);
    await expect(model(world.context, batchId)).rejects.toMatchObject({
      code: 'LAYER_NOT_FOUND',
    });
  });
});
