import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eraseFromJson } from '../../src/privacy/json-records.js';
import { fieldsOf, parseJsonText } from '../../src/privacy/json-text.js';

const judge = {
  owns: (name: string, value: string) => name === 'customer_id' && value === 'C7',
  identifies: (name: string) => name === 'customer_id',
  describes: (name: string) => name === 'first_name',
};
const erase = (text: string) => eraseFromJson(text, judge);

describe('rule 8: JSON documents lose the records of the person and keep all other bytes', () => {
  it.each([
    ['the only one of a list', '[{"customer_id":"C7"}]', '[]'],
    ['the first', '[ {"customer_id":"C7"},\n {"customer_id":"C8"} ]', '[ {"customer_id":"C8"} ]'],
    ['the last', '[{"a":1},\n {"customer_id":"C7"}\n]', '[{"a":1}\n]'],
    ['some in between', '[1,{"customer_id":"C7"},{"customer_id":"C7"},2]', '[1,2]'],
    ['first and last', '[{"customer_id":"C7"},{"b":2},{"customer_id":"C7"}]', '[{"b":2}]'],
    ['a document of one', '{\n  "customer_id": "C7"\n}\n', '{}\n'],
    ['values in sequence', '{"customer_id":"C7"}\n{"a":1}\n{"customer_id":"C7"}\n', '{"a":1}\n'],
    [
      'elements of a list within',
      '{"exported":1e400,"reviews":[{"customer_id":"C7"},{"customer_id":"C8"}]}',
      '{"exported":1e400,"reviews":[{"customer_id":"C8"}]}',
    ],
    [
      'with what it holds',
      '[{"customer_id":"C7","items":[{"n":1},{"n":2}]},{"id":12345678901234567890,"z":1.50,"a":"\\u00e9\\/"}]',
      '[{"id":12345678901234567890,"z":1.50,"a":"\\u00e9\\/"}]',
    ],
    ['behind a byte order mark', '\ufeff[{"customer_id":"C7"} , {"a":1}]', '\ufeff[{"a":1}]'],
  ])('%s', (_name, text, expected) => {
    expect(erase(text)).toMatchObject({ text: expected, stuck: undefined });
    expect(erase(expected)).toMatchObject({ hits: 0, text: expected });
  });

  it.each([
    [
      'holds others',
      '{"customer_id":"C7","friends":[{"customer_id":"C8"}]}',
      /holds records of others/,
    ],
    ['repeats a name', '[{"customer_id":"C8","customer_id":"C7"}]', /two fields of the same name/],
    [
      'stands in what describes somebody',
      '{"first_name":"Ada","orders":[{"customer_id":"C7"}]}',
      /describes somebody/,
    ],
  ])('a record that %s is left as it is', (_name, text, why) => {
    expect(erase(text)).toMatchObject({ text, hits: 1, stuck: expect.stringMatching(why) });
  });

  it.each(['{"a":1', '[1,]', '{"a" 1}', "{'a':1}", 'nothing', '['.repeat(500)])(
    'refuses to take %j for JSON',
    (text) => expect(erase(text)).toBeUndefined(),
  );

  it('reads numbers as they are written', () => {
    expect(fieldsOf(parseJsonText('{"customer_id":12345678901234567890}')?.[0] as never)).toEqual([
      ['customer_id', '12345678901234567890'],
    ]);
  });

  it('whatever the document: it stays JSON, the person is gone, the others are as they were', () => {
    const record = fc.record(
      { customer_id: fc.constantFrom('C7', 'C8', 'C42', null), note: fc.json(), n: fc.double() },
      { requiredKeys: [] },
    );
    const indent = fc.constantFrom(undefined, 2, '\t');
    fc.assert(
      fc.property(fc.array(record, { maxLength: 12 }), indent, (records, space) => {
        const text = JSON.stringify(records, null, space);
        const outcome = erase(text);
        const mine = records.filter(({ customer_id }) => customer_id === 'C7');
        const others = records.filter(({ customer_id }) => customer_id !== 'C7');
        expect(outcome?.hits).toBe(mine.length);
        expect(JSON.parse(outcome?.text ?? '')).toEqual(JSON.parse(JSON.stringify(others)));
      }),
    );
  });
});
