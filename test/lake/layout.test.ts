import { posix } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkKey, checkPrefix, compareKeys } from '../../src/lake/key.js';
import { layers } from '../../src/lake/lake.js';
import {
  batchLeaseName,
  batchPrefix,
  checkBatchId,
  formatBatchId,
  generationOf,
  isBatchId,
  leaseKey,
  manifestKey,
  parseBatchKey,
  tableFileKey,
} from '../../src/lake/layout.js';

const moment = fc.date({
  min: new Date('1970-01-01T00:00:00Z'),
  max: new Date('9999-12-31T23:59:59Z'),
  noInvalidDate: true,
});
const suffix = fc.stringMatching(/^[a-z0-9]{1,8}$/);
const batchId = fc
  .tuple(moment, fc.option(suffix, { nil: '' }))
  .map(([now, text]) => formatBatchId(now, text));
const layer = fc.constantFrom(...layers);
const tableName = fc
  .oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
    fc.constantFrom('review', 'a/b', '..', '.x', 'a-g2', '%2F', 'x-g2-g3', 'part-00000'),
  )
  .filter((name) => !/\p{Surrogate}/u.test(name));
const place = fc
  .tuple(fc.nat(99_999), fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 1, max: 9999 }))
  .map(([part, parts, generation]) => ({ part: part % parts, parts, generation }));

describe('batch ids', () => {
  test('name the second in UTC', () => {
    expect(formatBatchId(new Date('2026-01-31T23:59:58.999Z'))).toBe('20260131_235958');
    expect(formatBatchId(new Date('2026-01-31T23:59:58Z'), '2')).toBe('20260131_235958_2');
  });

  test('sort by time', () => {
    fc.assert(
      fc.property(moment, moment, (a, b) => {
        const [first, second] = [a, b].map((now) => formatBatchId(now)) as [string, string];
        if (first < second) expect(a.getTime()).toBeLessThan(b.getTime());
      }),
    );
  });

  test('are recognised, whatever their suffix', () => {
    fc.assert(fc.property(batchId, (id) => isBatchId(id) && checkBatchId(id) === id));
  });

  test.each(['', '2026', '20260131-235959', '20260131_235959_', '20260131_235959_ABC', '../x'])(
    'refuses %j',
    (text) => {
      expect(() => checkBatchId(text)).toThrow(
        expect.objectContaining({ code: 'BATCH_ID_INVALID', exitCode: 2 }),
      );
    },
  );
});

describe('keys of a batch', () => {
  test('are valid, and tell layer, batch and generation again', () => {
    fc.assert(
      fc.property(layer, batchId, tableName, place, (layerName, id, table, at) => {
        const key = checkKey(tableFileKey(layerName, id, table, at));
        const prefix = batchPrefix(layerName, id);
        expect(key.startsWith(prefix)).toBe(true);
        expect(parseBatchKey(key)).toEqual({
          layer: layerName,
          batchId: id,
          rest: key.slice(prefix.length),
        });
        expect(generationOf(key)).toBe(at.generation);
      }),
    );
  });

  test('differ when table, part or generation differ', () => {
    const id = '20260131_235959';
    fc.assert(
      fc.property(tableName, place, tableName, place, (tableA, a, tableB, b) => {
        const same =
          tableA === tableB &&
          a.generation === b.generation &&
          (a.parts === 1) === (b.parts === 1) &&
          (a.parts === 1 || a.part === b.part);
        const [first, second] = [
          tableFileKey('gold', id, tableA, a),
          tableFileKey('gold', id, tableB, b),
        ];
        expect(first === second).toBe(same);
      }),
      { numRuns: 1000 },
    );
  });

  test('look as documented', () => {
    const id = '20260131_235959';
    const key = (part: number, parts: number, generation: number) =>
      tableFileKey('bronze', id, 'review', { part, parts, generation });
    expect(key(0, 1, 1)).toBe('bronze/batch=20260131_235959/review.parquet');
    expect(key(0, 1, 2)).toBe('bronze/batch=20260131_235959/review-g2.parquet');
    expect(key(3, 9, 1)).toBe('bronze/batch=20260131_235959/review/part-00003.parquet');
    expect(manifestKey('gold', id)).toBe('gold/batch=20260131_235959/manifest.json');
    expect(leaseKey(batchLeaseName(id))).toBe('leases/batch=20260131_235959.json');
    expect(generationOf(manifestKey('gold', id))).toBeUndefined();
  });

  test.each([
    'gold/batch=20260131_235959',
    'gold/batch=x/manifest.json',
    'logs/batch=20260131_235959/x',
    'gold/20260131_235959/x',
    '',
  ])('takes %j for no part of a batch', (key) => {
    expect(parseBatchKey(key)).toBeUndefined();
  });
});

describe('keys', () => {
  test('never leave the root', () => {
    const part = fc.oneof(fc.constantFrom('..', '.', '', 'a', '.a', '\u0000'), fc.string());
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const key = parts.join('/');
        let valid = true;
        try {
          checkKey(key);
        } catch {
          valid = false;
        }
        if (valid) expect(posix.resolve('/root', key)).toBe(`/root/${key}`);
      }),
      { numRuns: 1000 },
    );
  });

  test('any beginning of a valid key is a valid prefix', () => {
    fc.assert(
      fc.property(layer, batchId, fc.nat(60), (layerName, id, length) => {
        const prefix = manifestKey(layerName, id).slice(0, length);
        expect(checkPrefix(prefix)).toBe(prefix);
      }),
    );
  });

  test('are compared by their bytes', () => {
    const text = fc.string({ unit: 'binary' }).filter((key) => !/\p{Surrogate}/u.test(key));
    fc.assert(
      fc.property(text, text, (a, b) => {
        const bytes = Buffer.compare(Buffer.from(a), Buffer.from(b));
        expect(Math.sign(compareKeys(a, b))).toBe(bytes);
      }),
      { numRuns: 1000 },
    );
  });
});
