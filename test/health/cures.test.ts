import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checks } from '../../src/health/catalogue.js';
import { cureOfError } from '../../src/health/cures.js';
import { catalogue } from '../../src/runbooks/index.js';

const source = fileURLToPath(new URL('../../src/health/', import.meta.url));
const text = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(`${source}${name}`, 'utf8'))
  .join('\n');

/** Every runbook that a check can name. */
const named = [
  ...new Set(
    [...text.matchAll(/(?:\bid: |\], )'([a-z0-9]+(?:-[a-z0-9]+)+|vacuum)'/g)].map(
      ([, id]) => id ?? '',
    ),
  ),
].sort();

/** With what a check hands over. */
const inputs: Record<string, object[]> = {
  vacuum: [{}, { tables: ['amazon.review'] }, { tables: ['amazon.review'], analyze: true }],
  'vacuum-full': [{ tables: ['amazon.review'] }],
  'purge-batches': [{}, { olderThan: '30d' }],
  'relation-not-found': [{}],
  'database-connection': [{}],
  'slow-at-peak': [{}],
  's3-errors': [{}],
  'purge-logs': [{}],
  'rotate-aws': [{}],
  'rotate-database': [{}],
  'erase-person': [{ requestIds: ['DSR-1'] }],
};

describe('the runbooks that checks name', () => {
  it('are found in the sources', () => {
    expect(named).toEqual(expect.arrayContaining(['gold-incomplete', 'vacuum', 's3-errors']));
  });

  describe.each(named)('%s', (id) => {
    const entry = catalogue.find((candidate) => candidate.id === id);
    it('exists, and takes what it is given', async () => {
      const runbook = await entry?.load();
      expect(runbook?.id).toBe(id);
      for (const input of inputs[id] ?? [{}, { batchId: '20260131_235959' }]) {
        expect(runbook?.inputs.safeParse(input).error).toBeUndefined();
      }
    });
  });

  it.each([
    ['DATABASE_UNREACHABLE', 'database-connection'],
    ['TABLE_NOT_FOUND', 'relation-not-found'],
    ['DISK_FULL', 'purge-batches'],
    ['MANIFEST_CORRUPT', 'corrupt-batch'],
    ['LAKE_UNREACHABLE', 's3-errors'],
  ])('%s is cured by %s', (code, id) => {
    expect(cureOfError(code)?.id).toBe(id);
  });
});

it('has checks with names of their own', () => {
  const names = checks.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter((name) => !/^[a-z]+(-[a-z]+)*$/.test(name))).toEqual([]);
});
