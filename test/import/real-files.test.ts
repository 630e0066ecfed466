import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeWorkshop, type Workshop } from './support.js';

const data =
  process.env.REVIEWOPS_REAL_DATA ?? join(import.meta.dirname, '..', '..', '..', 'shared', 'data');
const datafiniti = join(data, 'datafiniti_1429.csv.gz');
const giftCards = join(data, 'amazon_pds_gift_card.tsv');
const beauty = join(data, 'ucsd_2018_all_beauty.jsonl.gz');

/** Records of a CSV counted by hand: line ends outside of quotes, header off. */
function countCsvRecords(bytes: Buffer): number {
  let quoted = false;
  let records = 0;
  for (const byte of bytes) {
    if (byte === 0x22) quoted = !quoted;
    else if (byte === 0x0a && !quoted) records += 1;
  }
  return records - 1;
}

describe.skipIf(!existsSync(data))('real files (needs REVIEWOPS_REAL_DATA)', () => {
  let workshop: Workshop;
  beforeAll(async () => {
    workshop = await makeWorkshop();
  });
  afterAll(() => workshop.remove());

  it('imports Datafiniti reviews', async () => {
    const records = countCsvRecords(gunzipSync(readFileSync(datafiniti)));
    const result = await workshop.import([datafiniti]);
    expect(result).toMatchObject({
      format: 'datafiniti',
      read: records,
      loaded: records,
      rejected: 0,
      folded: 0,
      rejectsFile: null,
    });
    expect(result.read).toBe(34_660);
    const [row] = await workshop.client.query(
      `SELECT count(*)::int AS reviews, count(*) FILTER (WHERE rating IS NULL)::int AS unrated,
              count(*) FILTER (WHERE created_at IS NULL)::int AS undated,
              count(*) FILTER (WHERE body IS NULL)::int AS bodiless,
              (SELECT count(*)::int FROM amazon.product) AS products
       FROM amazon.review`,
    );
    expect(row).toEqual({ reviews: records, unrated: 33, undated: 39, bodiless: 1, products: 42 });
  });

  it('imports the public data set', async () => {
    const lines = readFileSync(giftCards, 'utf8').split('\n');
    const records = lines.filter((line) => line !== '').length - 1;
    const result = await workshop.import([giftCards]);
    expect(result).toMatchObject({ format: 'amazon-tsv', read: records, loaded: records });
    expect(records).toBe(1_452);
    const rows = lines.slice(1, -1).map((line) => line.split('\t'));
    for (const [, , id, , , , , , , , , , title, body] of rows.filter(
      (fields) => fields[12]?.includes('"') || fields[13]?.includes('\x1a'),
    )) {
      const [row] = await workshop.client.query(
        'SELECT title, body FROM amazon.review WHERE review_id = $1',
        [id],
      );
      expect(row).toEqual({ title, body });
    }
  });

  it('imports UCSD reviews and folds what is there twice', async () => {
    const lines = gunzipSync(readFileSync(beauty)).toString('utf8').trimEnd().split('\n');
    const distinct = new Set(lines).size;
    const result = await workshop.import([beauty]);
    expect(result).toMatchObject({
      format: 'ucsd-2018',
      read: lines.length,
      loaded: distinct,
      folded: lines.length - distinct,
      rejected: 0,
    });
    expect(lines.length - distinct).toBe(1_027);
    const again = await workshop.import([beauty]);
    expect(again).toMatchObject({ read: lines.length, loaded: 0, folded: lines.length });
  });
});
