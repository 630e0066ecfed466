import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareKeys } from '../../src/lake/key.js';
import type { Key, Lake } from '../../src/lake/lake.js';
import type { Ability, Lacks } from '../support/s3-probe.js';
import { runTask } from '../support/tasks.js';

export interface LakeUnderTest {
  lake: Lake;
  /** How another process opens the same lake: arguments of openLake in test/support/task-runner.ts. */
  address: readonly string[];
  /** Removes everything. */
  dispose(): Promise<void>;
}

const keysOf = async (lake: Lake, prefix: Key): Promise<Key[]> => {
  const keys: Key[] = [];
  for await (const { key } of lake.list(prefix)) keys.push(key);
  return keys;
};

const code = (name: string) => expect.objectContaining({ name: 'OperatorError', code: name });

const invalidKeys = [
  ['climbs out', 'gold/../../etc/passwd'],
  ['is absolute', '/gold/x'],
  ['has an empty part', 'gold//x'],
  ['ends with a slash', 'gold/x/'],
  ['is empty', ''],
  ['is a dot', 'gold/./x'],
  ['begins a part with a dot', 'gold/.hidden'],
  ['holds NUL', 'gold/a\u0000b'],
  ['holds a line feed', 'gold/a\nb'],
  ['is not Unicode', 'gold/\ud800'],
  ['has a part beyond 255 bytes', `gold/${'ü'.repeat(128)}`],
  ['is beyond 1024 bytes', Array.from({ length: 11 }, () => 'x'.repeat(100)).join('/')],
] as const;

const oddNames = [
  'spaces in it',
  'quote\'s and "double"',
  '%2F%00',
  'a+b=c&d?e#f',
  'back\\slash',
  'ümläut-é-日本語-🙂',
  '$(rm -rf .)`x`;*',
  'batch=1',
  '-rf',
  'x'.repeat(200),
];

/**
 * What every kind of lake has to do. Each implementation runs all of it against its real store;
 * what that store cannot do (`lacks`) is skipped, and the title says why.
 */
export function lakeContract(
  name: string,
  makeLake: () => Promise<LakeUnderTest>,
  lacks: Lacks = {},
): void {
  const testNeeding = (needed: Ability[], title: string, body: () => Promise<void>): void => {
    const reasons = needed.flatMap((ability) => lacks[ability] ?? []);
    if (reasons.length === 0) test(title, body);
    else test.skip(`${title} [skipped: ${reasons.join(', ')}]`, body);
  };

  describe(`the lake contract: ${name}`, () => {
    let made: LakeUnderTest;
    let lake: Lake;
    let scratch: string;

    beforeAll(async () => {
      made = await makeLake();
      lake = made.lake;
      scratch = await mkdtemp(join(tmpdir(), 'reviewops-contract-'));
    });

    afterAll(async () => {
      await made.dispose();
      await rm(scratch, { recursive: true, force: true });
    });

    const localFile = async (content: string | Uint8Array): Promise<string> => {
      const path = join(scratch, randomBytes(6).toString('hex'));
      await writeFile(path, content);
      return path;
    };

    test('gives back what was put, with size, time and etag', async () => {
      const before = Date.now();
      const put = await lake.put('logs/plain.json', 'héllo');
      expect(put).toMatchObject({ key: 'logs/plain.json', bytes: 6 });
      // Stores round to seconds at worst.
      expect(put.modifiedAt.getTime()).toBeGreaterThanOrEqual(before - 1000);
      expect(put.modifiedAt.getTime()).toBeLessThanOrEqual(Date.now() + 1000);
      const { modifiedAt, ...seen } = (await lake.head('logs/plain.json')) ?? put;
      expect(put).toMatchObject(seen);
      expect(Math.abs(modifiedAt.getTime() - put.modifiedAt.getTime())).toBeLessThan(2000);
      expect(await lake.readVersion('logs/plain.json')).toEqual({
        body: Buffer.from('héllo'),
        etag: put.etag,
      });
      expect((await lake.read('logs/plain.json')).toString()).toBe('héllo');
      expect(await keysOf(lake, 'logs/')).toContain('logs/plain.json');
    });

    test('keeps empty and binary objects byte by byte', async () => {
      const bytes = randomBytes(200_000);
      await lake.put('logs/empty', '');
      await lake.put('logs/binary', bytes);
      expect((await lake.read('logs/empty')).length).toBe(0);
      expect((await lake.read('logs/binary')).equals(bytes)).toBe(true);
      const chunks: Buffer[] = [];
      for await (const chunk of await lake.openRead('logs/binary')) chunks.push(chunk);
      expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
    });

    test('says that an object is missing, by name', async () => {
      const missing = 'gold/batch=20260101_000000/nothing.parquet';
      expect(await lake.head(missing)).toBeUndefined();
      expect(await lake.readVersion(missing)).toBeUndefined();
      await expect(lake.read(missing)).rejects.toEqual(code('OBJECT_NOT_FOUND'));
      await expect(lake.read(missing)).rejects.toThrow(missing);
      await expect(lake.openRead(missing)).rejects.toEqual(code('OBJECT_NOT_FOUND'));
      await expect(lake.fetch(missing, scratch)).rejects.toEqual(code('OBJECT_NOT_FOUND'));
      // A prefix of keys is no object.
      await lake.put('gold/some/object', 'x');
      expect(await lake.head('gold/some')).toBeUndefined();
      await expect(lake.read('gold/some')).rejects.toEqual(code('OBJECT_NOT_FOUND'));
    });

    test.each(invalidKeys)('refuses a key that %s', async (_, key) => {
      const refusal = code('KEY_INVALID');
      await expect(lake.put(key, 'x')).rejects.toEqual(refusal);
      await expect(lake.head(key)).rejects.toEqual(refusal);
      await expect(lake.read(key)).rejects.toEqual(refusal);
      await expect(lake.fetch(key, scratch)).rejects.toEqual(refusal);
      await expect(lake.remove([key])).rejects.toEqual(refusal);
      await expect(lake.removeIfMatch(key, 'x')).rejects.toEqual(refusal);
      const path = await localFile('x');
      await expect(lake.putFile(key, path)).rejects.toEqual(refusal);
      expect(existsSync(path)).toBe(true);
    });

    test.each(['../', '/', 'gold/../', 'a//'])('refuses to list below %j', async (prefix) => {
      await expect(keysOf(lake, prefix)).rejects.toEqual(code('KEY_INVALID'));
    });

    test('takes odd characters in keys as they are', async () => {
      for (const odd of oddNames) await lake.put(`raw/odd/${odd}/${odd}`, odd);
      const expected = oddNames.map((odd) => `raw/odd/${odd}/${odd}`).sort(compareKeys);
      // The order is the matter of another test.
      expect((await keysOf(lake, 'raw/odd/')).sort(compareKeys)).toEqual(expected);
      for (const odd of oddNames) {
        expect((await lake.read(`raw/odd/${odd}/${odd}`)).toString()).toBe(odd);
      }
      await lake.remove(expected);
      expect(await keysOf(lake, 'raw/odd/')).toEqual([]);
    });

    test('stores any valid key', async () => {
      const segment = fc
        .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
        // biome-ignore lint/suspicious/noControlCharactersInRegex: the rule under test.
        .filter((text) => !/^\.|[/\u0000-\u001f\u007f]|\p{Surrogate}/u.test(text));
      await fc.assert(
        fc.asyncProperty(segment, fc.string(), async (name, body) => {
          const key = `raw/any/${name}`;
          await lake.put(key, body);
          expect((await lake.read(key)).toString()).toBe(Buffer.from(body).toString());
          expect(await keysOf(lake, 'raw/any/')).toEqual([key]);
          await lake.remove([key]);
        }),
        { numRuns: 25 },
      );
    });

    test('lists across pages', async () => {
      const numbers = Array.from({ length: 1100 }, (_, index) => String(index).padStart(4, '0'));
      const keys = numbers.map((number) => `silver/pages/k${number}`);
      for (let at = 0; at < keys.length; at += 50) {
        await Promise.all(keys.slice(at, at + 50).map((key) => lake.put(key, key)));
      }
      expect(await keysOf(lake, 'silver/pages/')).toEqual(keys);
      await lake.remove(keys);
      expect(await keysOf(lake, 'silver/pages/')).toEqual([]);
    });

    testNeeding(['byteOrder'], 'lists in byte order, with any prefix', async () => {
      const numbered = Array.from({ length: 110 }, (_, index) => `silver/many/k${index}`);
      // `-` and `.` sort before `/`, `0` after it; U+FF5E before U+1F642 in bytes, not in UTF-16.
      const tricky = ['a', 'a-b', 'a.b', 'a/b', 'a/b.c', 'a0', '\uff5e', '\u{1f642}'];
      const keys = [...numbered, ...tricky.map((part) => `silver/many/t/${part}x/o`)];
      await Promise.all(keys.map((key) => lake.put(key, key)));
      const sorted = keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(await keysOf(lake, 'silver/many/')).toEqual(sorted);
      const some = 'silver/many/k10';
      expect(await keysOf(lake, some)).toEqual(sorted.filter((key) => key.startsWith(some)));
      expect(await keysOf(lake, 'silver/many/nothing')).toEqual([]);
      expect(await keysOf(lake, 'silver/many/k10/')).toEqual([]);
      await lake.remove(keys);
      expect(await keysOf(lake, 'silver/many/')).toEqual([]);
    });

    test('ends a listing early without harm', async () => {
      await lake.put('silver/early/a', 'a');
      await lake.put('silver/early/b', 'b');
      for await (const { key } of lake.list('silver/early/')) {
        expect(key).toBe('silver/early/a');
        break;
      }
    });

    test('stores a large file and consumes it; a copy can be read by path', async () => {
      const content = randomBytes(48 * 1024 * 1024);
      const path = await localFile(content);
      const put = await lake.putFile('bronze/batch=20260101_000000/large.parquet', path);
      expect(put.bytes).toBe(content.length);
      expect(existsSync(path)).toBe(false);
      const copy = await lake.fetch(put.key, scratch);
      const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
      expect(hash(await readFile(copy.path))).toBe(hash(content));
      await copy.dispose();
      expect(await lake.head(put.key)).toMatchObject({ bytes: put.bytes, etag: put.etag });
    });

    testNeeding(
      ['conditionalCreate', 'conditionalReplace'],
      'putFile keeps to its condition, and leaves the file when it fails',
      async () => {
        const key = 'bronze/conditional.parquet';
        const first = await lake.putFile(key, await localFile('one'), { ifAbsent: true });
        const path = await localFile('two');
        await expect(lake.putFile(key, path, { ifAbsent: true })).rejects.toEqual(
          code('OBJECT_EXISTS'),
        );
        await expect(lake.putFile(key, path, { ifMatch: 'other' })).rejects.toEqual(
          code('OBJECT_CHANGED'),
        );
        expect(await readFile(path, 'utf8')).toBe('two');
        expect((await lake.read(key)).toString()).toBe('one');
        await lake.putFile(key, path, { ifMatch: first.etag });
        expect((await lake.read(key)).toString()).toBe('two');
      },
    );

    testNeeding(
      ['conditionalComplete'],
      'a large file replaces nothing, when asked to',
      async () => {
        const key = 'bronze/large-absent.parquet';
        const content = randomBytes(12 * 1024 * 1024);
        const first = await lake.putFile(key, await localFile(content), { ifAbsent: true });
        const path = await localFile(content);
        await expect(lake.putFile(key, path, { ifAbsent: true })).rejects.toEqual(
          code('OBJECT_EXISTS'),
        );
        expect(existsSync(path)).toBe(true);
        expect((await lake.head(key))?.etag).toBe(first.etag);
      },
    );

    testNeeding(
      ['conditionalCompleteMatch'],
      'a large file replaces only the version that was seen, when asked to',
      async () => {
        const key = 'bronze/large-match.parquet';
        const content = randomBytes(12 * 1024 * 1024);
        const first = await lake.putFile(key, await localFile(content));
        const path = await localFile(randomBytes(12 * 1024 * 1024));
        await expect(lake.putFile(key, path, { ifMatch: 'other' })).rejects.toEqual(
          code('OBJECT_CHANGED'),
        );
        expect(existsSync(path)).toBe(true);
        expect((await lake.head(key))?.etag).toBe(first.etag);
        await lake.putFile(key, path, { ifMatch: first.etag });
        expect(existsSync(path)).toBe(false);
      },
    );

    testNeeding(['conditionalCreate'], 'puts only where nothing is, when asked to', async () => {
      const key = 'leases/absent.json';
      await lake.put(key, 'one', { ifAbsent: true });
      await expect(lake.put(key, 'two', { ifAbsent: true })).rejects.toEqual(code('OBJECT_EXISTS'));
      expect((await lake.read(key)).toString()).toBe('one');
      await lake.remove([key]);
      await lake.put(key, 'three', { ifAbsent: true });
      expect((await lake.read(key)).toString()).toBe('three');
    });

    testNeeding(
      ['conditionalReplace'],
      'puts only over the version that was seen, when asked to',
      async () => {
        const key = 'leases/match.json';
        const one = await lake.put(key, 'one');
        const two = await lake.put(key, 'two', { ifMatch: one.etag });
        expect(two.etag).not.toBe(one.etag);
        await expect(lake.put(key, 'three', { ifMatch: one.etag })).rejects.toEqual(
          code('OBJECT_CHANGED'),
        );
        expect((await lake.read(key)).toString()).toBe('two');
        await lake.remove([key]);
        await expect(lake.put(key, 'four', { ifMatch: two.etag })).rejects.toEqual(
          code('OBJECT_CHANGED'),
        );
        expect(await lake.head(key)).toBeUndefined();
      },
    );

    test('gives every version of quick succession its own etag', async () => {
      const etags = new Set<string>();
      for (let index = 0; index < 10; index += 1) {
        etags.add((await lake.put('leases/quick.json', `same size ${index}`)).etag);
      }
      expect(etags.size).toBe(10);
    });

    test('removes what is there; what is not is no error', async () => {
      await lake.put('raw/gone/a', 'a');
      await lake.put('raw/gone/b', 'b');
      await lake.remove(['raw/gone/a', 'raw/gone/nothing', 'raw/never/was']);
      expect(await keysOf(lake, 'raw/gone/')).toEqual(['raw/gone/b']);
      await lake.remove([]);
    });

    test('removes only the version that was seen, when asked to', async () => {
      const one = await lake.put('leases/remove.json', 'one');
      const two = await lake.put('leases/remove.json', 'two');
      expect(await lake.removeIfMatch('leases/remove.json', one.etag)).toBe(false);
      expect(await lake.removeIfMatch('leases/remove.json', two.etag)).toBe(true);
      expect(await lake.removeIfMatch('leases/remove.json', two.etag)).toBe(false);
      expect(await lake.head('leases/remove.json')).toBeUndefined();
    });

    testNeeding(
      ['conditionalCreate', 'atomicCreate'],
      'lets exactly one of many processes create an object',
      async () => {
        const outcomes = await Promise.all(
          Array.from({ length: 4 }, (_, index) =>
            runTask('create', made.address, ['leases/race-', '25', `writer ${index}`]),
          ),
        );
        const winners = outcomes.flat().filter((line) => line !== '');
        expect(winners.sort()).toEqual(
          Array.from({ length: 25 }, (_, index) => `leases/race-${index}`).sort(),
        );
      },
    );

    testNeeding(
      ['conditionalReplace', 'atomicReplace'],
      'loses no update of processes that count in one object',
      async () => {
        const key = 'leases/counter.json';
        await lake.put(key, '0');
        await Promise.all(
          Array.from({ length: 4 }, () => runTask('count', made.address, [key, '25'])),
        );
        expect((await lake.read(key)).toString()).toBe('100');
      },
    );

    test('shows readers whole objects only, while others replace them', async () => {
      const key = 'logs/replaced.json';
      const body = (letter: string) => letter.repeat(300_000);
      await lake.put(key, body('a'));
      const writers = Promise.all(
        ['b', 'c'].map((letter) => runTask('replace', made.address, [key, '20', letter])),
      );
      let reading = true;
      const done = writers.finally(() => {
        reading = false;
      });
      const seen = new Set<string>();
      while (reading) {
        const text = (await lake.read(key)).toString();
        expect(text === body(text[0] ?? '')).toBe(true);
        seen.add(text[0] ?? '');
        const page = await keysOf(lake, 'logs/replaced');
        expect(page).toEqual([key]);
      }
      await done;
      expect(seen.size).toBeGreaterThan(1);
    });
  });
}
