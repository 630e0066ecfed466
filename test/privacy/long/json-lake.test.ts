import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCertificate } from '../../../src/privacy/certificate.js';
import { makePrivacyWorld, type PrivacyWorld } from '../support.js';

let world: PrivacyWorld;
beforeAll(async () => {
  world = await makePrivacyWorld({ reviews: 20 });
});
afterAll(() => world.dispose());

const textOf = async (key: string) => (await world.lake.read(key)).toString('utf8');

describe('rule 8: JSON documents in the lake', () => {
  it('are written again without the person, as they were otherwise; what cannot be is named', async () => {
    const others = '  {"review_id": 12345678901234567890, "customer_id": "C70", "rating": 5.0}';
    await world.lake.put(
      'raw/list.json',
      `[\n  {\n    "customer_id": "C7",\n    "title": "T"\n  },\n${others}\n]\n`,
    );
    await world.lake.put(
      'raw/wrapped.json.gz',
      gzipSync('{"review_id":"R","reviews":[{"customer_id":"C70"},{"customer_id":"C7"}]}'),
    );
    await world.lake.put('raw/one.json', '{"customer_id": "C7", "first_name": "Ada"}');
    // A number that no double holds.
    await world.lake.put(
      'raw/numbers.jsonl',
      '{"customer_id":12345678901234567890,"rating":1}\n{"customer_id":12345678901234567891,"rating":2}\n',
    );
    const mixed = '{"customer_id":"C7","reviews":[{"customer_id":"C8","title":"T"}]}';
    await world.lake.put('raw/mixed.json', mixed);
    await world.request('DSR-1', { customer: ['C7', '12345678901234567890'] });
    const { report } = await world.erase({ requestIds: ['DSR-1'] });
    expect([report.state, report.reason]).toEqual(['succeeded', null]);
    expect(await textOf('raw/list.json')).toBe(`[\n${others}\n]\n`);
    expect(gunzipSync(await world.lake.read('raw/wrapped.json.gz')).toString()).toBe(
      '{"review_id":"R","reviews":[{"customer_id":"C70"}]}',
    );
    expect(await textOf('raw/one.json')).toBe('{}');
    expect(await textOf('raw/numbers.jsonl')).toBe(
      '{"customer_id":12345678901234567891,"rating":2}\n',
    );
    expect(await textOf('raw/mixed.json')).toBe(mixed);
    expect(await readCertificate(world.lake, 'DSR-1')).toMatchObject({
      state: 'incomplete',
      remaining: [
        { place: 'raw/mixed.json', rows: 1, why: 'a record of the person holds records of others' },
      ],
    });
  });
});
