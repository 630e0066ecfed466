import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeSite, type PipelineRunResult, type Site } from './peers.js';
import { expectKnownSentiment, expectSameScores, rescore } from './rescored.js';

describe('scores and pseudonyms, computed again in Python', () => {
  let site: Site;
  let batchId: string;

  beforeAll(async () => {
    site = await makeSite();
    await site.cli('db', 'import', '--sample', '4000');
    ({ batchId } = await site.cli<PipelineRunResult>('pipeline', 'run'));
  });
  afterAll(() => site?.dispose());

  it('agrees on the default score and on every pseudonym', async () => {
    const rescored = await rescore(site, batchId, 'default');
    expectSameScores(rescored, 'default');
    expect(rescored.withoutSentiment).toBe(rescored.gold);
    expect(rescored.pseudonyms).toMatchObject({ rows: rescored.silver, different: 0 });
    expect(rescored.pseudonyms.people).toBeGreaterThan(1000);
  });

  it('agrees on the original score, apart from what VADER makes of a text', async () => {
    const rescored = await rescore(site, batchId, 'original');
    expectSameScores(rescored, 'original');
    expectKnownSentiment(rescored);
  });
});
