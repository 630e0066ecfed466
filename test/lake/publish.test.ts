import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Lake } from '../../src/lake/lake.js';
import { LayeredLake } from '../../src/lake/layered.js';
import { batchPrefix, manifestKey } from '../../src/lake/layout.js';
import { openLocalLake } from '../../src/lake/local.js';
import type { PublishedLayer } from '../../src/lake/manifest.js';
import { type LayerDraft, publishLayer, readLayer, requireLayer } from '../../src/lake/publish.js';
import { type DraftOptions, draftOf, makeFiles } from '../support/drafts.js';
import { ended, lineFrom, startTask } from '../support/tasks.js';

const batchId = '20260131_235959';
const code = (name: string) => expect.objectContaining({ name: 'OperatorError', code: name });

let directory: string;
let root: string;
let lake: Lake;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reviewops-publish-'));
  root = join(directory, 'lake');
  lake = openLocalLake(root);
});

afterEach(() => rm(directory, { recursive: true, force: true }));

const draft = (letter: string, options: Partial<DraftOptions> = {}): LayerDraft =>
  makeFiles(
    draftOf({ batchId, layer: 'silver', scratch: join(directory, 'scratch'), letter, ...options }),
    letter,
  );

const keysIn = async (prefix: string): Promise<string[]> => {
  const keys: string[] = [];
  for await (const { key } of lake.list(prefix)) keys.push(key);
  return keys;
};

const namedKeys = ({ manifest }: PublishedLayer): string[] =>
  manifest.tables.flatMap(({ files }) => files.map(({ key }) => key));

/** The letter of which the layer consists, after all its files were compared with the manifest. */
async function letterOf(layer: PublishedLayer): Promise<string> {
  const letter = String(layer.manifest.settings.letter);
  for (const file of layer.manifest.tables.flatMap(({ files }) => files)) {
    const body = await lake.read(file.key);
    expect(createHash('sha256').update(body).digest('hex')).toBe(file.sha256);
    expect(body.length).toBe(file.bytes);
    expect(body.every((byte) => byte === letter.charCodeAt(0))).toBe(true);
  }
  return letter;
}

async function expectNothingElse(layer: PublishedLayer): Promise<void> {
  const expected = [...namedKeys(layer), manifestKey('silver', batchId)].sort();
  expect(await keysIn('')).toEqual(expected);
  expect(readdirSync(join(root, 'silver', '.tmp'))).toEqual([]);
}

describe('publishing', () => {
  test('leaves alone what a faster one publishes before the leftovers are removed', async () => {
    // As after a long standstill right behind the manifest, when the lease is somebody else's.
    class Standing extends LayeredLake {
      override async put(...given: Parameters<Lake['put']>) {
        const manifest = await super.put(...given);
        await publishLayer(lake, draft('b'));
        return manifest;
      }
    }
    const stores = { raw: lake, bronze: lake, silver: lake, gold: lake, system: lake };
    const standing = new Standing(lake.description, stores);
    await publishLayer(standing, draft('a'));
    const present = await requireLayer(lake, 'silver', batchId);
    expect(await letterOf(present)).toBe('b');
    await expectNothingElse(present);
  });

  test('makes a layer readable, and consumes its files', async () => {
    const parts = draft('a');
    const published = await publishLayer(lake, parts);
    expect(published.manifest).toMatchObject({
      format: 1,
      layer: 'silver',
      batchId,
      generation: 1,
      createdAt: '2026-01-31T23:59:59.000Z',
      rejected: { rating: 2 },
      tables: [
        {
          name: 'review',
          rows: 21,
          bytes: 3000,
          columns: [{ name: 'review_id', type: 'VARCHAR' }],
        },
        { name: 'rejected', rows: 7, bytes: 1000 },
      ],
    });
    expect(namedKeys(published)).toEqual([
      'silver/batch=20260131_235959/review/part-00000.parquet',
      'silver/batch=20260131_235959/review/part-00001.parquet',
      'silver/batch=20260131_235959/review/part-00002.parquet',
      'silver/batch=20260131_235959/rejected.parquet',
    ]);
    expect(await readLayer(lake, 'silver', batchId)).toEqual(published);
    const bytes = await lake.read(manifestKey('silver', batchId));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(published.sha256);
    expect(await letterOf(published)).toBe('a');
    for (const { path } of parts.tables.flatMap(({ files }) => files)) {
      expect(existsSync(path)).toBe(false);
    }
    await expectNothingElse(published);
  });

  test('replaces the previous generation, whatever its number of files', async () => {
    await publishLayer(lake, draft('a', { parts: 5 }));
    const published = await publishLayer(lake, draft('b', { parts: 1 }));
    expect(published.manifest.generation).toBe(2);
    expect(namedKeys(published)[0]).toBe('silver/batch=20260131_235959/review-g2.parquet');
    expect(await letterOf(published)).toBe('b');
    await expectNothingElse(published);
  });

  test('takes a table without files', async () => {
    const published = await publishLayer(lake, draft('a', { parts: 0 }));
    expect(published.manifest.tables[0]).toMatchObject({ rows: 0, bytes: 0, files: [] });
    const again = await publishLayer(lake, draft('b', { parts: 0 }));
    expect(again.manifest.generation).toBe(2);
  });

  test('replaces a damaged manifest', async () => {
    await publishLayer(lake, draft('a'));
    await truncate(join(root, manifestKey('silver', batchId)), 100);
    const published = await publishLayer(lake, draft('b'));
    expect(await letterOf(published)).toBe('b');
    await expectNothingElse(published);
  });

  test('publishes nothing once its lease is lost, and leaves no file', async () => {
    const before = await publishLayer(lake, draft('a'));
    const controller = new AbortController();
    const reason = new Error('the lease is lost');
    // Lost in the middle: after the second file was stored.
    let stored = 0;
    const watched = intercept(lake, (operation) => {
      if (operation === 'putFile') stored += 1;
      if (stored === 2) controller.abort(reason);
    });
    const guard = { lost: controller.signal };
    await expect(publishLayer(watched, { ...draft('b'), guard })).rejects.toThrow('Interrupted');
    expect(await letterOf((await readLayer(lake, 'silver', batchId)) ?? before)).toBe('a');
    await expectNothingElse(before);
  });

  test('refuses when another publisher was faster, and leaves what that one published', async () => {
    await publishLayer(lake, draft('a'));
    let other: PublishedLayer | undefined;
    const slow = intercept(lake, async (operation, key) => {
      if (operation === 'put' && key.endsWith('manifest.json')) {
        other = await publishLayer(openLocalLake(root), draft('c'));
      }
    });
    await expect(publishLayer(slow, draft('b'))).rejects.toMatchObject({
      code: 'PUBLISH_CONFLICT',
      exitCode: 3,
    });
    if (other === undefined) throw new Error('The other did not publish.');
    expect(await readLayer(lake, 'silver', batchId)).toEqual(other);
    expect(await letterOf(other)).toBe('c');
    await expectNothingElse(other);
  });

  test('of two at the same moment, leaves one layer whole', async () => {
    for (let round = 0; round < 10; round += 1) {
      const outcomes = await Promise.allSettled(
        ['x', 'y', 'z'].map((letter) => publishLayer(openLocalLake(root), draft(letter))),
      );
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') expect(outcome.reason).toEqual(code('PUBLISH_CONFLICT'));
      }
      const present = await readLayer(lake, 'silver', batchId);
      if (present !== undefined) expect(['x', 'y', 'z']).toContain(await letterOf(present));
    }
    await expectNothingElse(await publishLayer(lake, draft('e')));
  });

  test('counts as done what the store did before its answer was lost', async () => {
    const lossy = intercept(
      lake,
      () => undefined,
      (operation, key) => {
        if (operation === 'put' && key.endsWith('manifest.json'))
          throw new Error('connection reset');
      },
    );
    const published = await publishLayer(lossy, draft('a'));
    expect(await readLayer(lake, 'silver', batchId)).toEqual(published);
    await expectNothingElse(published);
  });
});

describe('a crash while publishing', () => {
  test('at any operation leaves the old layer or the new one; a rerun leaves no trace', async () => {
    const outcomes: string[] = [];
    for (let survived = 0; ; survived += 1) {
      const old = await publishLayer(lake, draft('a'));
      let operations = 0;
      const dying = intercept(lake, () => {
        // From here on the process is dead: no cleanup comes through either.
        if (operations >= survived) throw new Error('killed');
        operations += 1;
      });
      const completed = await publishLayer(dying, draft('b')).then(
        () => true,
        () => false,
      );
      const present = await readLayer(lake, 'silver', batchId);
      if (present === undefined) throw new Error('The layer is gone.');
      outcomes.push(await letterOf(present));
      if (outcomes.at(-1) === 'a') expect(present).toEqual(old);
      const rerun = await publishLayer(lake, draft('c'));
      expect(await letterOf(rerun)).toBe('c');
      await expectNothingElse(rerun);
      if (completed) break;
    }
    // Four files and the manifest; then the removal of the four that were before.
    expect(outcomes.join('')).toBe('aaaaabbbbb');
  });

  test('by SIGKILL at random moments', { timeout: 60_000 }, async () => {
    const scratch = join(directory, 'child');
    await mkdir(scratch);
    let seen = 0;
    for (let round = 0; round < 6; round += 1) {
      const letter = 'stuvwx'[round] ?? 's';
      const child = startTask('publish', ['local', root], [batchId, scratch, letter]);
      // In every second round, its first layer is out and it is at the next.
      await lineFrom(child, round % 2 === 0 ? 'ready' : 'published');
      await delay(Math.random() * 60);
      child.kill('SIGKILL');
      const { stderr } = await ended(child);
      expect(stderr).toBe('');
      lake = openLocalLake(root);
      const present = await readLayer(lake, 'silver', batchId);
      if (present !== undefined) {
        expect([letter, 'A']).toContain(await letterOf(present));
        if (present.manifest.settings.letter === letter) seen += 1;
      }
      await expectNothingElse(await publishLayer(lake, draft('A')));
    }
    expect(seen).toBeGreaterThanOrEqual(3);
  });
});

describe('reading a layer', () => {
  test('says that it was never published', async () => {
    expect(await readLayer(lake, 'silver', batchId)).toBeUndefined();
  });

  test('takes files without a manifest for nothing', async () => {
    await lake.put(`${batchPrefix('silver', batchId)}review.parquet`, 'x');
    expect(await readLayer(lake, 'silver', batchId)).toBeUndefined();
  });

  test.each([
    ['cut short', (text: string) => text.slice(0, -10)],
    ['empty', () => ''],
    ['of another schema', (text: string) => text.replace('"generation"', '"number"')],
    ['of another format', (text: string) => text.replace('"format": 1', '"format": 2')],
    ['of another batch', (text: string) => text.replaceAll(batchId, '20250131_235959')],
  ])('names a manifest that is %s, and the stage to run again', async (_, damage) => {
    await publishLayer(lake, draft('a'));
    const path = join(root, manifestKey('silver', batchId));
    const text = (await lake.read(manifestKey('silver', batchId))).toString();
    await writeFile(path, damage(text));
    await expect(readLayer(lake, 'silver', batchId)).rejects.toMatchObject({
      code: 'MANIFEST_CORRUPT',
      exitCode: 1,
      message: expect.stringContaining(manifestKey('silver', batchId)),
      hint: expect.stringContaining(`reviewops pipeline transform --batch-id ${batchId}`),
    });
  });

  test('names the layer that is missing, and the stage that makes it', async () => {
    await publishLayer(lake, draft('a'));
    await expect(requireLayer(lake, 'gold', batchId)).rejects.toMatchObject({
      code: 'LAYER_NOT_FOUND',
      exitCode: 1,
      hint: expect.stringContaining(`reviewops pipeline model --batch-id ${batchId}`),
    });
  });

  test('names the nearest batches when there is none of that id', async () => {
    for (const id of ['20250101_000000', '20260101_000000', '20260131_120000', '20260131_235958']) {
      await publishLayer(lake, draft('a', { batchId: id }));
    }
    await expect(requireLayer(lake, 'silver', batchId)).rejects.toMatchObject({
      code: 'BATCH_NOT_FOUND',
      exitCode: 2,
      hint: expect.stringContaining('20260131_235958, 20260131_120000, 20260101_000000'),
    });
    await expect(requireLayer(lake, 'silver', 'yesterday')).rejects.toEqual(
      code('BATCH_ID_INVALID'),
    );
  });
});

type Hook = (operation: string, key: string) => void | Promise<void>;

/** The same lake, with a hook before and one after each operation that changes it. */
function intercept(real: Lake, before: Hook, after: Hook = () => undefined): Lake {
  const around = async <T>(operation: string, key: string, work: () => Promise<T>): Promise<T> => {
    await before(operation, key);
    const result = await work();
    await after(operation, key);
    return result;
  };
  return {
    description: real.description,
    list: (prefix) => real.list(prefix),
    head: (key) => real.head(key),
    read: (key) => real.read(key),
    readVersion: (key) => real.readVersion(key),
    openRead: (key) => real.openRead(key),
    fetch: (key, scratch) => real.fetch(key, scratch),
    put: (key, body, condition) => around('put', key, () => real.put(key, body, condition)),
    putFile: (key, path, condition) =>
      around('putFile', key, () => real.putFile(key, path, condition)),
    // One at a time: a crash may come between any two.
    remove: async (keys) => {
      for (const key of keys) await around('remove', key, () => real.remove([key]));
    },
    removeIfMatch: (key, etag) => around('removeIfMatch', key, () => real.removeIfMatch(key, etag)),
  };
}
