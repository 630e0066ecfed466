import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, openEngine } from '../../src/engine/session.js';
import {
  namesPhone,
  namesPhoneInEngine,
  namesPhoneInPostgres,
  phoneTail,
} from '../../src/privacy/phone-texts.js';
import { makeWorld, type World } from '../support/world.js';

const tail = phoneTail('+33 6 12 34 56 78') ?? '';

const texts: [string, boolean][] = [
  ['+33612345678', true],
  ['call 0033612345678 now', true],
  ['call 06 12-34 56 78', true],
  ['06.12.34.56.78', true],
  ['(+33) (0)6/12\u00a034\u202f56\u201178', true],
  ['+33 6 12-34', false],
  ['06 12 34 56 79', false],
  ['12345678', false],
  ['Part 6123, 456 and 78', false],
  ['', false],
  ["'; DROP TABLE review--", false],
];

let world: World;
let engine: Engine;
beforeAll(async () => {
  world = await makeWorld({ reviews: 1 });
  const signal = new AbortController().signal;
  engine = await openEngine({ memoryLimit: '128MB', threads: 1, scratch: world.root, signal });
});
afterAll(async () => {
  await engine.close();
  await world.dispose();
});

describe('a telephone number within a text', () => {
  it.each([
    ['+33 6 12 34 56 78', '2345678'],
    ['0033612345678', '2345678'],
    ['0612345678', '2345678'],
    ['00123456', undefined],
  ])('%s ends with %s', (number, expected) => {
    expect(phoneTail(number)).toBe(expected);
  });

  it.each(texts)('%j: %s, in files of text, Parquet and the database', async (text, expected) => {
    expect(namesPhone(text, [tail])).toBe(expected);
    const inEngine = namesPhoneInEngine(
      '$1::VARCHAR',
      (joined) => `contains(${joined}, '${tail}')`,
    );
    expect(await engine.rows(`SELECT ${inEngine} AS named`, [text])).toEqual([{ named: expected }]);
    const inPostgres = namesPhoneInPostgres(
      '$1::text',
      (joined) => `position('${tail}' in ${joined}) > 0`,
    );
    expect(await world.client.query(`SELECT ${inPostgres} AS named`, [text])).toEqual([
      { named: expected },
    ]);
  });
});
