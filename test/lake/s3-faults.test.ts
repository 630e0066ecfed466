import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { lakeBuckets } from '../../src/lake/buckets.js';
import type { Lake } from '../../src/lake/lake.js';
import { publishLayer } from '../../src/lake/publish.js';
import { aspects } from '../../src/lake/s3/aspects.js';
import { interrupted, type OperatorError } from '../../src/system/errors.js';
import { draftOf, makeFiles } from '../support/drafts.js';
import { inOneBucket, type LakeSettings, lakeOn, openS3Lake } from '../support/s3-lake.js';
import { clientOf } from '../support/s3-probe.js';
import { type Fault, type S3Proxy, type Seen, startProxy } from '../support/s3-proxy.js';
import { type RunningServer, startS3 } from '../support/s3-server.js';

const MiB = 1024 ** 2;
const batchId = '20260131_235959';

describe('the lake on a store that misbehaves', () => {
  let server: RunningServer;
  let proxy: S3Proxy;
  let bucket: string;
  let lake: Lake;
  let scratch: string;
  let prepared: Awaited<ReturnType<typeof inOneBucket>>;

  beforeAll(async () => {
    server = await startS3();
    proxy = await startProxy(server.endpoint, { conditions: true });
    scratch = await mkdtemp(join(tmpdir(), 'reviewops-faults-'));
  });
  afterAll(async () => {
    await proxy.stop();
    await server.stop();
    await rm(scratch, { recursive: true, force: true });
  });
  beforeEach(async () => {
    const through = { ...server, endpoint: proxy.endpoint };
    prepared = await inOneBucket(through, { prefix: '', maxAttempts: 3, timeoutSeconds: 2 });
    bucket = prepared.bucket;
    lake = await openS3Lake(prepared);
    proxy.requests.length = 0;
  });
  afterEach(() => {
    proxy.rules.length = 0;
    proxy.latency = 0;
  });

  const strike = (fault: Fault, when: (request: Seen) => boolean, times?: number): void => {
    proxy.rules.push({ fault, when, ...(times === undefined ? {} : { times }) });
  };
  const localFile = async (bytes: Uint8Array): Promise<string> => {
    const path = join(scratch, randomBytes(6).toString('hex'));
    await writeFile(path, bytes);
    return path;
  };
  const errorOf = async (work: Promise<unknown>): Promise<OperatorError> => {
    try {
      await work;
    } catch (error) {
      expect(error).toMatchObject({ name: 'OperatorError' });
      return error as OperatorError;
    }
    throw new Error('It did not fail.');
  };
  const keysOf = async (from: Lake): Promise<string[]> => {
    const found: string[] = [];
    for await (const { key } of from.list('')) found.push(key);
    return found;
  };
  const keys = () => keysOf(lake);
  const isPart = ({ query }: Seen) => query.has('partNumber');
  const isGet = ({ method, query }: Seen) => method === 'GET' && !query.has('list-type');
  /** Whether an upload was begun and neither completed nor called off. */
  const openUploads = () => {
    const begun = proxy.requests.filter((r) => r.method === 'POST' && r.query.has('uploads'));
    const ended = proxy.requests.filter((r) => r.method === 'DELETE' && r.query.has('uploadId'));
    return begun.length - ended.length;
  };

  test('a connection reset in the middle of a part: the part is sent again', async () => {
    const content = randomBytes(17 * MiB);
    strike({ kind: 'reset', afterBytes: 2 * MiB }, isPart, 2);
    await lake.putFile('gold/a.parquet', await localFile(content), { ifAbsent: true });
    expect((await lake.read('gold/a.parquet')).equals(content)).toBe(true);
  });

  test('a part that never gets through: nothing visible, nothing left, the file kept', async () => {
    const path = await localFile(randomBytes(12 * MiB));
    strike(
      { kind: 'reset', afterBytes: MiB },
      (request) => isPart(request) && request.query.get('partNumber') === '2',
    );
    const error = await errorOf(lake.putFile('gold/a.parquet', path));
    expect(error).toMatchObject({ code: 'LAKE_UNREACHABLE', exitCode: 5 });
    expect(error.message).toContain(`s3://${bucket}/gold/a.parquet`);
    expect(await keys()).toEqual([]);
    expect(existsSync(path)).toBe(true);
    expect(openUploads()).toBeLessThanOrEqual(0);
  });

  test('Ctrl-C in the middle of an upload calls it off', async () => {
    const stop = new AbortController();
    const interruptible = await openS3Lake(prepared, stop.signal);
    const path = await localFile(randomBytes(30 * MiB));
    strike(
      {
        kind: 'before',
        run: async () => {
          stop.abort(interrupted());
        },
      },
      (request) => isPart(request) && request.query.get('partNumber') === '3',
      1,
    );
    const from = performance.now();
    expect(await errorOf(interruptible.putFile('gold/a.parquet', path))).toMatchObject({
      code: 'INTERRUPTED',
    });
    expect(performance.now() - from).toBeLessThan(4000);
    expect(await keys()).toEqual([]);
    expect(openUploads()).toBeLessThanOrEqual(0);
    expect(existsSync(path)).toBe(true);
  });

  test('an answer that is lost: a write recognises its own first attempt', async () => {
    strike({ kind: 'lose-answer' }, ({ method }) => method === 'PUT', 1);
    const put = await lake.put('leases/a.json', 'mine', { ifAbsent: true });
    expect((await lake.head('leases/a.json'))?.etag).toBe(put.etag);
    strike({ kind: 'lose-answer' }, ({ method }) => method === 'PUT', 1);
    const next = await lake.put('leases/a.json', 'mine still', { ifMatch: put.etag });
    expect((await lake.readVersion('leases/a.json'))?.etag).toBe(next.etag);
    strike(
      { kind: 'lose-answer' },
      ({ method, query }) => method === 'POST' && query.has('uploadId'),
      1,
    );
    const content = randomBytes(11 * MiB);
    await lake.putFile('gold/a.parquet', await localFile(content), { ifAbsent: true });
    expect((await lake.read('gold/a.parquet')).equals(content)).toBe(true);
  });

  test('two writers at the same moment: a conflict is tried again, then told', async () => {
    strike(
      { kind: 'refuse', status: 409, code: 'ConditionalRequestConflict' },
      ({ method }) => method === 'PUT',
      2,
    );
    await lake.put('leases/a.json', 'mine', { ifAbsent: true });
    strike(
      { kind: 'refuse', status: 409, code: 'ConditionalRequestConflict' },
      ({ method }) => method === 'PUT',
    );
    expect(await errorOf(lake.put('leases/b.json', 'mine', { ifAbsent: true }))).toMatchObject({
      code: 'OBJECT_EXISTS',
    });
  });

  test.each(['gold/large.parquet', 'gold/small.parquet'])(
    'a body that breaks off is taken up where it broke: %s',
    async (key) => {
      const content = randomBytes(key.includes('large') ? 14 * MiB : MiB);
      await lake.putFile(key, await localFile(content));
      strike({ kind: 'truncate', afterBytes: 700_000 }, isGet, 2);
      expect((await lake.read(key)).equals(content)).toBe(true);
      strike({ kind: 'truncate', afterBytes: 700_000 }, isGet, 2);
      const copy = await lake.fetch(key, scratch);
      const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
      expect(hash(await readFile(copy.path))).toBe(hash(content));
      await copy.dispose();
      expect(existsSync(copy.path)).toBe(false);
    },
  );

  test('a body that always breaks off is an error, and leaves no file', async () => {
    await lake.putFile('gold/a.parquet', await localFile(randomBytes(MiB)));
    const own = await mkdtemp(join(scratch, 'own-'));
    strike({ kind: 'truncate', afterBytes: 0 }, isGet);
    const error = await errorOf(lake.fetch('gold/a.parquet', own));
    expect(error).toMatchObject({ code: 'LAKE_READ_TRUNCATED', exitCode: 5 });
    expect(error.message).toContain(`s3://${bucket}/gold/a.parquet`);
    expect(await readdir(own)).toEqual([]);
    expect(await errorOf(lake.read('gold/a.parquet'))).toMatchObject({
      code: 'LAKE_READ_TRUNCATED',
    });
  });

  test('an object that is replaced in the middle is read from one version', async () => {
    const [old, young] = [randomBytes(12 * MiB), randomBytes(13 * MiB)];
    await lake.putFile('gold/a.parquet', await localFile(old));
    const replace = async () => {
      await clientOf(server).send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: 'gold/a.parquet',
          Body: young.subarray(0, 6 * MiB),
        }),
      );
    };
    strike({ kind: 'before', run: replace }, ({ headers }) => headers['if-match'] !== undefined, 1);
    const copy = await lake.fetch('gold/a.parquet', scratch);
    expect((await readFile(copy.path)).equals(young.subarray(0, 6 * MiB))).toBe(true);
    await copy.dispose();
  });

  test('a list that changes while it is read has every key that was there all the time', async () => {
    const stay = Array.from({ length: 1500 }, (_, i) => `raw/k${String(i * 2).padStart(5, '0')}`);
    for (let at = 0; at < stay.length; at += 20) {
      await Promise.all(stay.slice(at, at + 20).map((key) => lake.put(key, '')));
    }
    const change = async () => {
      await Promise.all([
        lake.remove([stay[10] ?? '', stay[1400] ?? '']),
        lake.put('raw/k00001', ''),
        lake.put('raw/k02999', ''),
      ]);
    };
    strike({ kind: 'before', run: change }, ({ query }) => query.has('continuation-token'), 1);
    const found = await keys();
    expect(new Set(found).size).toBe(found.length);
    const gone = [stay[10], stay[1400]];
    const lasting = stay.filter((key) => !gone.includes(key));
    expect(found.filter((key) => lasting.includes(key))).toEqual(lasting);
  });

  test('30 ms of latency change nothing but the time', async () => {
    proxy.latency = 30;
    const content = randomBytes(16 * MiB);
    await lake.putFile('gold/a.parquet', await localFile(content), { ifAbsent: true });
    const copy = await lake.fetch('gold/a.parquet', scratch);
    expect((await readFile(copy.path)).equals(content)).toBe(true);
    await copy.dispose();
  });

  const refusals: [string, Fault & { kind: 'refuse' }, string, number, RegExp][] = [
    ['503', { kind: 'refuse', status: 503, code: 'SlowDown' }, 'LAKE_THROTTLED', 5, /later/],
    [
      '403',
      { kind: 'refuse', status: 403, code: 'AccessDenied' },
      'LAKE_ACCESS_DENIED',
      1,
      /policy/,
    ],
    [
      '404',
      { kind: 'refuse', status: 404, code: 'NoSuchBucket' },
      'BUCKET_NOT_FOUND',
      5,
      /lake init/,
    ],
    [
      '301',
      {
        kind: 'refuse',
        status: 301,
        code: 'PermanentRedirect',
        headers: { 'x-amz-bucket-region': 'us-west-2' },
      },
      'LAKE_WRONG_REGION',
      5,
      /lake.s3.region to us-west-2/,
    ],
    [
      'a wrong clock',
      { kind: 'refuse', status: 403, code: 'RequestTimeTooSkewed' },
      'LAKE_CLOCK_SKEW',
      5,
      /clock/,
    ],
    [
      'an expired credential',
      { kind: 'refuse', status: 400, code: 'ExpiredToken' },
      'LAKE_CREDENTIALS_EXPIRED',
      5,
      /Renew/,
    ],
    [
      'an unknown key',
      { kind: 'refuse', status: 403, code: 'InvalidAccessKeyId' },
      'LAKE_CREDENTIALS_INVALID',
      5,
      /active/,
    ],
    [
      'a wrong secret',
      { kind: 'refuse', status: 403, code: 'SignatureDoesNotMatch' },
      'LAKE_CREDENTIALS_INVALID',
      5,
      /secret/,
    ],
    [
      '500',
      { kind: 'refuse', status: 500, code: 'InternalError' },
      'LAKE_UNREACHABLE',
      5,
      /endpoint/,
    ],
    [
      'what it does not know',
      { kind: 'refuse', status: 501, code: 'NotImplemented' },
      'LAKE_REFUSED',
      1,
      /./,
    ],
  ];
  test.each(refusals)(
    '%s: named, with bucket, key and cure',
    async (_, fault, code, exit, cure) => {
      await lake.put('gold/a.json', 'a');
      strike(fault, () => true);
      const path = await localFile(Buffer.from('x'));
      const attempts: [string, (fresh: Lake) => Promise<unknown>][] = [
        ['put', (fresh) => fresh.put('gold/a.json', 'b')],
        ['putFile', (fresh) => fresh.putFile('gold/a.json', path)],
        ['read', (fresh) => fresh.read('gold/a.json')],
        ['head', (fresh) => fresh.head('gold/a.json')],
        ['fetch', (fresh) => fresh.fetch('gold/a.json', scratch)],
        ['openRead', (fresh) => fresh.openRead('gold/a.json')],
        ['removeIfMatch', (fresh) => fresh.removeIfMatch('gold/a.json', 'x')],
        ['remove', (fresh) => fresh.remove(['gold/a.json'])],
        ['list', (fresh) => keysOf(fresh)],
      ];
      const outcomes = attempts.map(async ([operation, attempt]) => {
        const error = await errorOf(attempt(await openS3Lake(prepared)));
        expect([operation, error.code, error.exitCode]).toEqual([operation, code, exit]);
        expect(error.message).toContain(bucket);
        const aboutKey = !['remove', 'list'].includes(operation) && code !== 'BUCKET_NOT_FOUND';
        if (aboutKey && code !== 'LAKE_WRONG_REGION')
          expect(error.message).toContain('gold/a.json');
        expect(error.hint).toMatch(cure);
      });
      await Promise.all(outcomes);
      proxy.rules.length = 0;
      expect((await lake.read('gold/a.json')).toString()).toBe('a');
      expect(existsSync(path)).toBe(true);
    },
  );

  test('403 for what is not there, to who may list a part of the bucket: it is not there', async () => {
    await lake.put('gold/there', 'a');
    strike(
      { kind: 'refuse', status: 403, code: 'AccessDenied' },
      ({ method, query }) => ['GET', 'HEAD'].includes(method) && !query.has('list-type'),
    );
    expect(await lake.head('gold/missing')).toBeUndefined();
    expect(await lake.readVersion('gold/missing')).toBeUndefined();
    const denied = { code: 'LAKE_ACCESS_DENIED' };
    expect(await errorOf(lake.head('gold/there'))).toMatchObject(denied);
    expect(await errorOf(lake.readVersion('gold/there'))).toMatchObject(denied);
  });

  test('throttled for a moment: goes on by itself', async () => {
    strike({ kind: 'refuse', status: 503, code: 'SlowDown' }, () => true, 2);
    await lake.put('gold/a.json', 'a');
    expect((await lake.read('gold/a.json')).toString()).toBe('a');
  });

  test('nobody there: says where', async () => {
    const nowhere = { ...server, endpoint: 'http://127.0.0.1:9' };
    const settings: LakeSettings = lakeOn(nowhere, { bucket, maxAttempts: 2 });
    const absent = await openS3Lake({ server: nowhere, lake: settings });
    const error = await errorOf(absent.head('gold/a.json'));
    expect(error).toMatchObject({ code: 'LAKE_UNREACHABLE', exitCode: 5 });
    expect(error.message).toMatch(/127\.0\.0\.1:9 .*ECONNREFUSED/);
  });

  test('a store that does not answer: given up in time', async () => {
    strike({ kind: 'before', run: () => new Promise(() => undefined) }, () => true);
    const silent = await openS3Lake({
      ...prepared,
      lake: lakeOn(
        { ...server, endpoint: proxy.endpoint },
        { bucket, maxAttempts: 1, timeoutSeconds: 0.3 },
      ),
    });
    expect(await errorOf(silent.read('gold/a.json'))).toMatchObject({
      code: 'LAKE_UNREACHABLE',
      message: expect.stringContaining('no answer in time'),
    });
  });

  test('a bucket that is missing is no empty lake', async () => {
    const other = lakeOn(
      { ...server, endpoint: proxy.endpoint },
      { bucket: 'no-such-bucket-here' },
    );
    const missing = await openS3Lake({ ...prepared, lake: other });
    expect(await errorOf(missing.head('gold/a.json'))).toMatchObject({ code: 'BUCKET_NOT_FOUND' });
    expect(await errorOf(missing.read('gold/a.json'))).toMatchObject({ code: 'BUCKET_NOT_FOUND' });
    const path = await localFile(Buffer.from('x'));
    expect(await errorOf(missing.putFile('gold/a.json', path))).toMatchObject({
      code: 'BUCKET_NOT_FOUND',
    });
  });

  test('what DeleteObjects could not delete is named, after the rest is gone', async () => {
    const all = Array.from({ length: 1200 }, (_, i) => `raw/k${String(i).padStart(4, '0')}`);
    for (let at = 0; at < all.length; at += 20) {
      await Promise.all(all.slice(at, at + 100).map((key) => lake.put(key, '')));
    }
    strike(
      {
        kind: 'answer',
        status: 200,
        body: '<DeleteResult><Error><Key>raw/k0007</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>',
      },
      ({ method, query }) => method === 'POST' && query.has('delete'),
      1,
    );
    const error = await errorOf(lake.remove(all));
    expect(error).toMatchObject({ code: 'LAKE_REMOVE_FAILED', exitCode: 1 });
    expect(error.message).toMatch(/1 of 1200 objects .* raw\/k0007 \(AccessDenied\)/);
    // The first group was answered by the test; the second was carried out.
    expect((await keys()).length).toBe(1000);
  });

  test('sends checksums, conditions and the encryption that was asked for', async () => {
    const encrypted = await openS3Lake({
      ...prepared,
      lake: lakeOn(
        { ...server, endpoint: proxy.endpoint },
        { bucket, encryption: 'kms', kmsKeyId: 'alias/lake' },
      ),
    });
    await encrypted.put('gold/a.json', 'a', { ifAbsent: true });
    await encrypted.putFile('gold/a.parquet', await localFile(randomBytes(11 * MiB)), {
      ifAbsent: true,
    });
    const writes = proxy.requests.filter(({ method }) => ['PUT', 'POST'].includes(method));
    const [put, create, ...rest] = writes;
    for (const request of [put, create]) {
      expect(request?.headers).toMatchObject({
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': 'alias/lake',
      });
    }
    expect(put?.headers['if-none-match']).toBe('*');
    expect(put?.headers['x-amz-checksum-crc32']).toMatch(/=$/);
    const parts = rest.filter(isPart);
    expect(parts.length).toBe(3);
    for (const { headers } of parts) {
      expect(Object.keys(headers).join(' ') + JSON.stringify(headers)).toMatch(/checksum-crc32/);
    }
    expect(rest.at(-1)?.headers['if-none-match']).toBe('*');
  });

  /** Makes the store tell of uploads that nobody completed; the server of these tests cannot. */
  const unfinished = (uploads: Record<string, string>): void => {
    const entries = Object.entries(uploads).map(
      ([key, begun]) =>
        `<Upload><Key>${key}</Key><UploadId>of ${key}</UploadId><Initiated>${begun}</Initiated></Upload>`,
    );
    const body = `<ListMultipartUploadsResult>${entries.join('')}</ListMultipartUploadsResult>`;
    strike({ kind: 'answer', status: 200, body }, (r) => r.method === 'GET' && isUploads(r));
    strike({ kind: 'answer', status: 204, body: '' }, ({ method }) => method === 'DELETE');
  };
  const isUploads = ({ query }: Seen) => query.has('uploads');
  const calledOff = () =>
    proxy.requests.filter(({ method }) => method === 'DELETE').map((r) => r.query.get('uploadId'));

  test('what a killed upload left goes with the next publication', async () => {
    const own = `gold/batch=${batchId}/fact_reviews.parquet`;
    unfinished({ [own]: '2026-01-31T00:00:00Z', 'gold/other': '2026-01-31T00:00:00Z' });
    const draft = () => {
      const place = { batchId, layer: 'gold', scratch: join(scratch, 'draft') } as const;
      return makeFiles(draftOf({ ...place, letter: 'a' }), 'a');
    };
    await publishLayer(lake, draft());
    expect(calledOff()).toEqual([`of ${own}`]);
    // Who may not list them publishes all the same.
    proxy.rules.length = 0;
    strike({ kind: 'refuse', status: 403, code: 'AccessDenied' }, isUploads);
    expect((await publishLayer(lake, draft())).manifest.generation).toBe(2);
  });

  test('lake audit finds uploads that nobody completes, and lake init calls them off', async () => {
    const young = new Date(Date.now() - 3_600_000).toISOString();
    unfinished({ 'raw/old.csv': '2026-01-01T00:00:00Z', 'raw/young.csv': young });
    const [entry] = await lakeBuckets(configSchema.parse({ lake: prepared.lake }).lake, {
      home: scratch,
      profile: 'test',
      signal: new AbortController().signal,
      aws: async () => ({
        credentials: { ...server.credentials, sessionToken: undefined },
        profile: undefined,
        region: undefined,
        endpoint: undefined,
      }),
    });
    if (entry === undefined) throw new Error('no bucket');
    const aspect = aspects.find(({ name }) => name === 'unfinished-uploads');
    expect(await aspect?.problem(entry.bucket, entry.wanted)).toBe(
      '1 uploads that nobody completed take space, the oldest since 2026-01-01',
    );
    await aspect?.apply(entry.bucket, entry.wanted);
    expect(calledOff()).toEqual(['of raw/old.csv']);
  });

  test('a slow line is no silence: a part may take longer than the timeout', async () => {
    const patient = await openS3Lake({
      ...prepared,
      lake: lakeOn(
        { ...server, endpoint: proxy.endpoint },
        { bucket, maxAttempts: 1, timeoutSeconds: 3, partSize: '40MiB' },
      ),
    });
    strike(
      { kind: 'answer', status: 200, body: '', bytesPerSecond: 8 * MiB },
      ({ method }) => method === 'PUT',
    );
    const from = performance.now();
    await patient.putFile('raw/a.bin', await localFile(randomBytes(40 * MiB)));
    expect(performance.now() - from).toBeGreaterThan(4000);
  });
});
