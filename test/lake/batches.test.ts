import { mkdtemp, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listBatches, showBatch } from '../../src/lake/batches.js';
import type { Lake } from '../../src/lake/lake.js';
import { batchLeaseName, manifestKey } from '../../src/lake/layout.js';
import { acquireLease } from '../../src/lake/lease.js';
import { openLocalLake } from '../../src/lake/local.js';
import { type VerifyResult, verifyBatch } from '../../src/lake/verify.js';
import { thisProcess } from '../../src/system/owner.js';
import type { ProgressEvent } from '../../src/system/progress.js';
import { publishBatch } from '../support/batches.js';

const batchId = '20260131_235959';
const now = () => new Date();

let directory: string;
let root: string;
let scratch: string;
let lake: Lake;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reviewops-batches-'));
  root = join(directory, 'lake');
  scratch = join(directory, 'scratch');
  lake = openLocalLake(root);
});

afterEach(() => rm(directory, { recursive: true, force: true }));

const only = async () => {
  const [batch, ...others] = await listBatches(lake, { now });
  expect(others).toEqual([]);
  if (batch === undefined) throw new Error('There is no batch.');
  return batch;
};

const holdLease = (id: string) =>
  acquireLease(lake, batchLeaseName(id), {
    owner: thisProcess(),
    now,
    signal: new AbortController().signal,
  });

describe('the list of batches', () => {
  test('is empty for an empty lake', async () => {
    expect(await listBatches(lake, { now })).toEqual([]);
  });

  test('says complete, with rows, bytes and time', async () => {
    const published = await publishBatch(lake, batchId, scratch);
    let bytes = 0;
    for await (const object of lake.list('')) bytes += object.bytes;
    expect(published.size).toBe(3);
    expect(await only()).toEqual({
      batchId,
      layers: ['bronze', 'silver', 'gold'],
      rows: 5,
      bytes,
      createdAt: '2026-01-31T23:59:59.000Z',
      state: 'complete',
      problems: [],
    });
  });

  test('says partial when a layer is missing, and which', async () => {
    await publishBatch(lake, batchId, scratch, { layers: ['bronze', 'silver'] });
    expect(await only()).toMatchObject({
      state: 'partial',
      layers: ['bronze', 'silver'],
      // The rejected ones do not count.
      rows: 5,
      problems: [{ kind: 'missing-layer', layer: 'gold', problem: 'gold is missing' }],
    });
  });

  test('says partial when a layer was made from an older one', async () => {
    await publishBatch(lake, batchId, scratch);
    const later = new Date('2026-02-01T00:00:00Z');
    await publishBatch(lake, batchId, scratch, { layers: ['bronze'], now: later });
    expect(await only()).toMatchObject({
      state: 'partial',
      layers: ['bronze', 'silver', 'gold'],
      problems: [
        {
          kind: 'stale-layer',
          layer: 'silver',
          problem: 'silver was made from an earlier bronze',
          hint: expect.stringContaining(`pipeline transform --batch-id ${batchId}`),
        },
      ],
    });
  });

  test('says partial when the layer it was made from is gone', async () => {
    await publishBatch(lake, batchId, scratch);
    await lake.remove([manifestKey('silver', batchId)]);
    expect((await only()).problems.map(({ problem }) => problem)).toEqual([
      'silver is missing; an interrupted run left 2 unpublished files',
      'gold was made from silver, which is gone',
    ]);
  });

  test('shows what an interrupted first run left', async () => {
    await lake.put(`bronze/batch=${batchId}/review.parquet`, 'x');
    expect(await only()).toMatchObject({ state: 'partial', layers: [], rows: 0, bytes: 1 });
  });

  test.each([
    ['a file is missing', (path: string) => unlink(path), 'it is missing'],
    [
      'a file is too short',
      (path: string) => truncate(path, 9),
      /^it has 9 bytes in place of \d+$/,
    ],
  ])('says corrupt when %s', async (_, damage, problem) => {
    await publishBatch(lake, batchId, scratch);
    const key = `silver/batch=${batchId}/review.parquet`;
    await damage(join(root, key));
    const batch = await only();
    expect(batch).toMatchObject({
      state: 'corrupt',
      layers: ['bronze', 'silver', 'gold'],
      problems: [{ kind: 'damaged-file', layer: 'silver', key }],
    });
    expect(batch.problems[0]?.problem).toMatch(problem);
  });

  test.each([
    ['cut short', '{"format": 1, "layer"'],
    ['empty', ''],
    ['null', 'null'],
    ['without its tables', '{"format": 1, "createdAt": "2026-01-31T23:59:59.000Z", "parents": []}'],
  ])('says corrupt when a manifest is %s', async (_, text) => {
    await publishBatch(lake, batchId, scratch);
    await writeFile(join(root, manifestKey('silver', batchId)), text);
    const batch = await only();
    expect(batch).toMatchObject({ state: 'corrupt', layers: ['bronze', 'gold'] });
    expect(batch.problems).toContainEqual(
      expect.objectContaining({
        kind: 'damaged-manifest',
        layer: 'silver',
        hint: expect.stringContaining(`pipeline transform --batch-id ${batchId}`),
      }),
    );
  });

  test('says running while somebody holds its lease, and only then', async () => {
    await publishBatch(lake, batchId, scratch, { layers: ['bronze'] });
    const lease = await holdLease(batchId);
    expect(await only()).toMatchObject({ state: 'running', layers: ['bronze'], problems: [] });
    await lease.release();
    expect(await only()).toMatchObject({ state: 'partial' });
  });

  test('is newest first, and can be cut and filtered', async () => {
    for (const id of ['20260101_000000', '20260103_000000', '20260102_000000']) {
      await publishBatch(
        lake,
        id,
        scratch,
        id.startsWith('20260103') ? { layers: ['bronze'] } : {},
      );
    }
    const ids = async (options: { limit?: number; state?: 'complete' | 'partial' }) =>
      (await listBatches(lake, { now, ...options })).map((batch) => batch.batchId);
    expect(await ids({})).toEqual(['20260103_000000', '20260102_000000', '20260101_000000']);
    expect(await ids({ limit: 2 })).toEqual(['20260103_000000', '20260102_000000']);
    expect(await ids({ state: 'complete', limit: 1 })).toEqual(['20260102_000000']);
    expect(await ids({ state: 'partial' })).toEqual(['20260103_000000']);
  });

  test('leaves alone what is no batch', async () => {
    await lake.put('gold/notes.txt', 'x');
    await lake.put('gold/batch=mine/x', 'x');
    await lake.put('raw/upload.csv', 'x');
    expect(await listBatches(lake, { now })).toEqual([]);
  });
});

describe('a batch', () => {
  test('shows its manifests, who holds it, and what no manifest names', async () => {
    const published = await publishBatch(lake, batchId, scratch);
    const stray = `gold/batch=${batchId}/stray.parquet`;
    await lake.put(stray, 'x');
    const lease = await holdLease(batchId);
    const batch = await showBatch(lake, batchId, { now });
    await lease.release();
    expect(batch.manifests).toEqual(
      [...published.values()].map(({ manifest, sha256 }) => ({ ...manifest, sha256 })),
    );
    expect(batch.holder?.owner.pid).toBe(process.pid);
    expect(batch.unnamed).toEqual([stray]);
  });

  test('that does not exist is named with its neighbours', async () => {
    await publishBatch(lake, batchId, scratch);
    await expect(showBatch(lake, '20260131_235958', { now })).rejects.toMatchObject({
      code: 'BATCH_NOT_FOUND',
      exitCode: 2,
      hint: expect.stringContaining(batchId),
    });
  });
});

describe('verifying a batch', () => {
  const verify = (
    options: { report?: (event: ProgressEvent) => void; signal?: AbortSignal } = {},
  ) =>
    verifyBatch(lake, batchId, {
      now,
      scratch,
      report: options.report ?? (() => undefined),
      signal: options.signal ?? new AbortController().signal,
    });

  const problems = ({ findings }: VerifyResult) =>
    findings.map(({ key, problem }) => [key.split('/').slice(-1)[0], problem]);

  test('reads every byte of a sound one and finds nothing', async () => {
    const published = await publishBatch(lake, batchId, scratch);
    const events: ProgressEvent[] = [];
    const result = await verify({ report: (event) => events.push(event) });
    expect(result).toMatchObject({ batchId, state: 'complete', files: 5, findings: [] });
    const bytes = [...published.values()]
      .flatMap(({ manifest }) => manifest.tables)
      .reduce((sum, table) => sum + table.bytes, 0);
    expect(events.filter(({ type }) => type === 'progress').at(-1)).toMatchObject({
      done: bytes,
      total: bytes,
      unit: 'bytes',
    });
  });

  test('finds a single changed bit', async () => {
    const published = await publishBatch(lake, batchId, scratch);
    const file = published.get('bronze')?.manifest.tables[1]?.files[0];
    const path = join(root, file?.key ?? '');
    const bytes = await lake.read(file?.key ?? '');
    bytes[8] = (bytes[8] ?? 0) ^ 1;
    await writeFile(path, bytes);
    expect((await only()).state).toBe('complete');
    const result = await verify();
    expect(result.state).toBe('corrupt');
    expect(problems(result)).toEqual([['review.parquet', 'its content changed: the hash differs']]);
    expect(result.findings[0]?.hint).toContain(`pipeline extract --batch-id ${batchId}`);
  });

  test('finds manifests that claim other rows, columns and totals than their files', async () => {
    await publishBatch(lake, batchId, scratch, { layers: ['bronze'] });
    const key = manifestKey('bronze', batchId);
    const manifest = JSON.parse((await lake.read(key)).toString());
    manifest.tables[0].columns[1].type = 'VARCHAR';
    manifest.tables[1].files[0].rows = 6;
    await lake.put(key, JSON.stringify(manifest));
    expect(problems(await verify())).toEqual([
      ['manifest.json', expect.stringMatching(/^table review claims 5 rows in .* its files 6 in/)],
      [
        'product.parquet',
        'its columns are review_id VARCHAR, rating INTEGER, not review_id VARCHAR, rating VARCHAR',
      ],
      ['review.parquet', 'it has 5 rows in place of 6'],
    ]);
  });

  test('finds what is no Parquet file though its hash is right', async () => {
    const published = await publishBatch(lake, batchId, scratch, { layers: ['bronze'] });
    const key = published.get('bronze')?.manifest.tables[0]?.files[0]?.key ?? '';
    const body = 'no Parquet';
    await lake.put(key, body);
    const text = (await lake.read(manifestKey('bronze', batchId))).toString();
    const manifest = JSON.parse(text);
    const [table] = manifest.tables;
    table.bytes = table.files[0].bytes = body.length;
    const { createHash } = await import('node:crypto');
    table.files[0].sha256 = createHash('sha256').update(body).digest('hex');
    await lake.put(manifestKey('bronze', batchId), JSON.stringify(manifest));
    expect(problems(await verify())).toEqual([
      ['product.parquet', expect.stringMatching(/^it is no readable Parquet file: /)],
    ]);
  });

  test('finds missing files, files no manifest names, older parents, damaged manifests', async () => {
    await publishBatch(lake, batchId, scratch);
    await publishBatch(lake, batchId, scratch, { layers: ['bronze'] });
    await lake.remove([`bronze/batch=${batchId}/review-g2.parquet`]);
    await lake.put(`silver/batch=${batchId}/stray.parquet`, 'x');
    await writeFile(join(root, manifestKey('gold', batchId)), '{');
    const result = await verify();
    expect(result).toMatchObject({ state: 'corrupt', files: 3 });
    expect(result.findings.map(({ key, problem }) => [key, problem])).toEqual([
      [`bronze/batch=${batchId}/review-g2.parquet`, 'it is missing'],
      [manifestKey('gold', batchId), 'the manifest of gold is damaged'],
      [manifestKey('silver', batchId), 'silver was made from an earlier bronze'],
      [`silver/batch=${batchId}/stray.parquet`, 'no manifest names it'],
    ]);
  });

  test('takes what a running stage writes for no finding', async () => {
    await publishBatch(lake, batchId, scratch, { layers: ['bronze'] });
    await lake.put(`silver/batch=${batchId}/review.parquet`, 'x');
    const lease = await holdLease(batchId);
    const result = await verify();
    await lease.release();
    expect(result).toMatchObject({ state: 'running', findings: [] });
  });

  test('stops when it is interrupted', async () => {
    await publishBatch(lake, batchId, scratch);
    const controller = new AbortController();
    const report = ({ type }: ProgressEvent) => {
      if (type === 'progress') controller.abort();
    };
    await expect(verify({ report, signal: controller.signal })).rejects.toMatchObject({
      code: 'INTERRUPTED',
      exitCode: 130,
    });
  });
});
