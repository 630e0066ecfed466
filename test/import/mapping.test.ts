import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { builtInMappings, readMapping } from '../../src/import/mapping.js';
import { makeWorkshop, type Workshop } from './support.js';

const documentation = readFileSync(new URL('../../docs/import.md', import.meta.url), 'utf8');
const example = /<!-- example mapping -->\n```yaml\n(.*?)```/s.exec(documentation)?.[1] ?? '';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await makeWorkshop();
});
afterAll(() => workshop.remove());

describe('mapping files', () => {
  it('come with the tool, are valid and documented', async () => {
    const formats = (await builtInMappings()).map((mapping) => mapping.format);
    expect(formats).toEqual([
      'amazon-tsv',
      'datafiniti',
      'fine-food',
      'ucsd-2014',
      'ucsd-2018',
      'ucsd-2023',
    ]);
    for (const format of formats) expect(documentation).toContain(`\`${format}\``);
  });

  it('can be the operator’s own, as the documentation says', async () => {
    const mapping = await workshop.write('shop.yaml', example);
    const file = await workshop.write(
      'shop.csv',
      'stars;sku;comment;user\n5;M1;"fine; really";u1\n5;M1;"fine; really";u1\nmany;M1;;u2\n3;;x;u3\n',
    );
    const result = await workshop.import([file], { mapping });
    expect(result).toMatchObject({
      format: 'shop-export',
      read: 4,
      loaded: 1,
      rejected: 2,
      folded: 1,
    });
    expect(
      await workshop.client.query('SELECT customer_id, body, rating FROM amazon.review'),
    ).toEqual([{ customer_id: 'u1', body: 'fine; really', rating: 5 }]);
  });

  type Draft = Record<string, unknown> & { values: Record<string, unknown> };
  const changed = async (change: (mapping: Draft) => void): Promise<string> => {
    const mapping = parse(example) as Draft;
    change(mapping);
    return workshop.write('changed.yaml', stringify(mapping));
  };

  it.each<[string, (mapping: Draft) => void, RegExp]>([
    ['an unknown field', (mapping) => Object.assign(mapping, { tabels: [] }), /tabels/],
    [
      'a key that is no value',
      (mapping) => Object.assign(mapping, { record: { table: 'review', key: 'nope' } }),
      /record\.key: "nope" is not among the values/,
    ],
    [
      'a record table that is not written',
      (mapping) => Object.assign(mapping, { record: { table: 'orders', key: 'review_key' } }),
      /record\.table: tables must list "orders"/,
    ],
    [
      'a reserved name',
      (mapping) => Object.assign(mapping.values, { line: '1' }),
      /"line" has a meaning of its own/,
    ],
    [
      'a container of another kind',
      (mapping) => Object.assign(mapping, { container: { kind: 'xml' } }),
      /container\.kind/,
    ],
  ])('with %s are refused with place and reason', async (_what, change, message) => {
    await expect(readMapping(await changed(change))).rejects.toMatchObject({
      code: 'MAPPING_INVALID',
      exitCode: 2,
      message: expect.stringMatching(message),
    });
  });

  it('that are no YAML or not there are refused', async () => {
    const broken = await workshop.write('broken.yaml', 'format: [');
    await expect(readMapping(broken)).rejects.toMatchObject({ code: 'MAPPING_INVALID' });
    await expect(readMapping(`${broken}.no`)).rejects.toMatchObject({ code: 'MAPPING_NOT_FOUND' });
  });

  it('whose expressions or targets do not exist fail by name, and load nothing', async () => {
    const file = await workshop.write('s.csv', 'stars;sku;comment\n5;M9;x\n');
    const expression = await changed((mapping) => {
      mapping.values.rating = 'no_such_function(source.stars)';
    });
    await expect(workshop.import([file], { mapping: expression })).rejects.toMatchObject({
      code: 'MAPPING_FAILED',
      message: expect.stringContaining('no_such_function'),
    });
    const target = await changed((mapping) => {
      (mapping.tables as { columns: object }[])[1] = {
        ...(mapping.tables as { columns: object }[])[1],
        columns: { product_id: 'product_key', colour: 'product_key' },
      };
    });
    await expect(workshop.import([file], { mapping: target })).rejects.toMatchObject({
      code: 'MAPPING_TARGET_UNKNOWN',
      message: expect.stringContaining('column "colour"'),
    });
  });
});
