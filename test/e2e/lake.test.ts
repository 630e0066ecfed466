import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { BatchDiff } from '../../src/lake/diff.js';
import { openLocalLake } from '../../src/lake/local.js';
import type { PolicyDocument } from '../../src/lake/policy.js';
import type { UploadResult } from '../../src/lake/upload.js';
import type { LakeUsage } from '../../src/lake/usage.js';
import type { BestReviewRecord } from '../../src/pipeline/export.js';
import { publishBatch } from '../support/batches.js';
import { type CliOptions, runCli } from '../support/cli.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { makeBucket } from '../support/s3-probe.js';
import { type RunningServer, startS3 } from '../support/s3-server.js';
import { sandbox } from '../support/sandbox.js';
import { insertReviews } from '../support/world.js';

let server: RunningServer;
beforeAll(async () => {
  server = await startS3();
});
afterAll(() => server.stop());

const onS3 = async (): Promise<Record<string, string>> => ({
  REVIEWOPS_LAKE_KIND: 's3',
  REVIEWOPS_LAKE_S3_BUCKET: await makeBucket(server),
  AWS_ENDPOINT_URL: server.endpoint,
  AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
});

const kinds: [string, () => Promise<Record<string, string>>][] = [
  ['a local lake', async () => ({})],
  ['S3', onS3],
];

describe.each(kinds)('lake upload to %s', (_, environment) => {
  it('copies, skips what is there, refuses what differs, replaces when told', async () => {
    const cwd = await sandbox({
      'in/reviews.csv': 'id,text\n1,good\n',
      'in/deep/more.csv': 'id\n2\n',
      'in/.DS_Store': 'noise',
    });
    const env = await environment();
    const upload = (...args: string[]) =>
      runCli(['lake', 'upload', ...args, '--layer', 'raw', '--json'], { cwd, env });
    const first = (await upload('in', '--prefix', '2026')).json<UploadResult>().result;
    expect([first.uploaded, first.skipped]).toEqual([2, 0]);
    expect(first.files.map(({ key }) => key)).toEqual([
      'raw/2026/deep/more.csv',
      'raw/2026/reviews.csv',
    ]);
    expect(await readFile(join(cwd, 'in/reviews.csv'), 'utf8')).toBe('id,text\n1,good\n');
    const again = (await upload('in', '--prefix', '2026')).json<UploadResult>().result;
    expect([again.uploaded, again.skipped]).toEqual([0, 2]);

    await writeFile(join(cwd, 'in/reviews.csv'), 'id,text\n1,evil\n');
    await writeFile(join(cwd, 'in/new.csv'), 'id\n3\n');
    const refused = await upload('in', '--prefix', '2026');
    expect([refused.code, refused.json().error.code]).toEqual([3, 'UPLOAD_CONFLICT']);
    expect(refused.json().error.message).toContain('raw/2026/reviews.csv');
    const usage = async () =>
      (await runCli(['lake', 'usage', '--json'], { cwd, env })).json<LakeUsage>().result;
    expect((await usage()).layers[0]).toMatchObject({ layer: 'raw', objects: 2 });
    const replaced = (await upload('in', '--prefix', '2026', '--replace')).json<UploadResult>();
    expect([replaced.result.uploaded, replaced.result.skipped]).toEqual([2, 1]);
    expect((await usage()).layers[0]).toMatchObject({ layer: 'raw', objects: 3 });
  });

  it('says what is wrong with a path or a name', async () => {
    const cwd = await sandbox({ 'a/x.csv': '1', 'b/x.csv': '2' });
    const env = await environment();
    const upload = (...args: string[]) =>
      runCli(['lake', 'upload', ...args, '--layer', 'raw', '--json'], { cwd, env });
    const missing = await upload('nowhere.csv');
    expect([missing.code, missing.json().error.code]).toEqual([2, 'FILE_NOT_FOUND']);
    const both = await upload('a', 'b');
    expect([both.code, both.json().error.code]).toEqual([2, 'UPLOAD_AMBIGUOUS']);
    const outside = await upload('a', '--prefix', '../..');
    expect([outside.code, outside.json().error.code]).toEqual([2, 'KEY_INVALID']);
  });
});

describe('lake usage', () => {
  it('compares with last week and with the budget', async () => {
    const cwd = await sandbox();
    const lake = openLocalLake(join(cwd, '.reviewops', 'data'));
    await publishBatch(lake, '20260131_235959', join(cwd, 'scratch'));
    const ago = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
    const history = [
      { at: ago(20), bytes: 7 },
      { at: ago(8), bytes: 100 },
      { at: ago(3), bytes: 200 },
    ];
    await lake.put('logs/lake_usage.json', JSON.stringify(history));
    const env = { REVIEWOPS_LAKE_BUDGET: '1MB' };
    const { result } = (await runCli(['lake', 'usage', '--json'], { cwd, env })).json<LakeUsage>();
    expect(result.layers.map(({ layer }) => layer)).toEqual(['raw', 'bronze', 'silver', 'gold']);
    expect(result.growth).toMatchObject({ since: history[1]?.at, bytes: result.total.bytes - 100 });
    expect(result.budget).toEqual({ bytes: 1_000_000, share: result.total.bytes / 1e6 });
    const sum = result.layers.reduce((total, { bytes }) => total + bytes, result.system.bytes);
    expect(result.total.bytes).toBe(sum);
    const kept = JSON.parse((await lake.read('logs/lake_usage.json')).toString());
    expect(kept).toHaveLength(4);
    const { stdout } = await runCli(['lake', 'usage'], { cwd, env });
    expect(stdout).toMatch(/^layer +objects +size +old versions/);
    expect(stdout).toMatch(/since \d{4}-\d\d-\d\d\.\n.* % of 1\.00 MB\.\n$/);
    expect(JSON.parse((await lake.read('logs/lake_usage.json')).toString())).toHaveLength(4);
  });
});

describe('lake policy', () => {
  const policy = async (role: string, env: Record<string, string> = {}) =>
    (
      await runCli(['lake', 'policy', '--role', role, '--json'], {
        env: { REVIEWOPS_LAKE_KIND: 's3', REVIEWOPS_PROFILE: 'prod', ...env },
      })
    ).json<{ policy: PolicyDocument }>().result.policy;
  const bucketsOf = ({ Statement }: PolicyDocument, action: string) => [
    ...new Set(
      Statement.filter(({ Action }) => Action.includes(action)).flatMap(({ Resource }) =>
        Resource.map((arn) => /-(raw|bronze|silver|gold)-euw3/.exec(arn)?.[1]),
      ),
    ),
  ];

  it('gives each role its cells of the matrix, and no more', async () => {
    const all = ['raw', 'bronze', 'silver', 'gold'];
    const matrix: Record<string, { read: string[]; write: string[]; setUp: string[] }> = {
      admin: { read: all, write: all, setUp: all },
      'data-engineer': { read: all, write: all, setUp: [] },
      analyst: { read: ['bronze', 'silver', 'gold'], write: [], setUp: [] },
      frontend: { read: ['gold'], write: [], setUp: [] },
    };
    for (const [role, { read, write, setUp }] of Object.entries(matrix)) {
      const document = await policy(role);
      expect([role, bucketsOf(document, 's3:GetObject')]).toEqual([role, read]);
      expect([role, bucketsOf(document, 's3:PutObject')]).toEqual([role, write]);
      expect([role, bucketsOf(document, 's3:PutBucketPolicy')]).toEqual([role, setUp]);
      expect(JSON.stringify(document)).not.toMatch(/"(\*|s3:\*|arn:aws:s3:::\*)"/);
    }
  });

  it('gives readers of bronze its batches, and not what else lies beside them', async () => {
    const { Statement } = await policy('analyst');
    const bronze = Statement.flatMap(({ Resource }) => Resource).filter((arn) =>
      /-bronze-euw3\/./.test(arn),
    );
    expect(bronze.map((arn) => arn.split('euw3/')[1])).toEqual([
      'batch=*',
      '_system/logs/*',
      '_system/leases/*',
      '_system/holds/*',
    ]);
    const lists = Statement.find(({ Sid }) => Sid === 'ReadListsByPrefix');
    expect(lists?.Condition?.StringLike?.['s3:prefix']).toEqual(
      expect.arrayContaining(['batch=*', '_system/leases/*']),
    );
  });

  it('follows prefixes, keys and partitions', async () => {
    const shared = await policy('frontend', {
      REVIEWOPS_LAKE_S3_BUCKET: 'one-bucket',
      REVIEWOPS_LAKE_S3_PREFIX: 'lake',
      REVIEWOPS_LAKE_S3_ENCRYPTION: 'kms',
      REVIEWOPS_LAKE_S3_KMS_KEY_ID: '1234-abcd',
      REVIEWOPS_LAKE_S3_REGION: 'cn-north-1',
    });
    expect(shared.Statement).toEqual([
      expect.objectContaining({ Resource: ['arn:aws-cn:s3:::one-bucket/lake/gold/*'] }),
      expect.objectContaining({
        Resource: ['arn:aws-cn:s3:::one-bucket'],
        Condition: { StringLike: { 's3:prefix': ['lake/gold/*'] } },
      }),
      expect.objectContaining({
        Action: ['kms:Decrypt'],
        Resource: ['arn:aws-cn:kms:cn-north-1:*:key/1234-abcd'],
      }),
    ]);
  });

  it('prints the bare document, for a local lake that of its buckets on S3', async () => {
    const { stdout, stderr } = await runCli(['lake', 'policy', '--role', 'analyst'], {
      env: { REVIEWOPS_LAKE_KIND: 's3' },
    });
    expect(JSON.parse(stdout).Version).toBe('2012-10-17');
    expect(stderr).toBe('');
    const local = await runCli(['lake', 'policy', '--role', 'analyst']);
    expect([local.code, local.stdout]).toEqual([0, stdout]);
    expect(local.stderr).toContain('warning: The lake of this configuration is a local directory');
  });

  it('has nothing to say of a lake all of whose layers are local by name', async () => {
    const cwd = await sandbox();
    const layers = ['raw', 'bronze', 'silver', 'gold'].map((layer) => `${layer}: {kind: local}`);
    await writeFile(join(cwd, 'reviewops.config.yaml'), `lake: {layers: {${layers.join(', ')}}}\n`);
    const local = await runCli(['lake', 'policy', '--role', 'analyst', '--json'], { cwd });
    expect([local.code, local.json().error.code]).toEqual([2, 'LAKE_IS_LOCAL']);
    const audit = await runCli(['lake', 'audit', '--json']);
    expect([audit.code, audit.json().error.code]).toEqual([2, 'LAKE_IS_LOCAL']);
  });
});

describe('batch diff and restore', () => {
  it('shows what differs, and only that', async () => {
    const cwd = await sandbox();
    const lake = openLocalLake(join(cwd, '.reviewops', 'data'));
    const [a, b] = ['20260131_235959', '20260201_235959'];
    await publishBatch(lake, a, join(cwd, 'scratch'));
    await publishBatch(lake, b, join(cwd, 'scratch'), { layers: ['bronze', 'silver'] });
    const diff = async (...ids: string[]) =>
      (await runCli(['batch', 'diff', ...ids, '--json'], { cwd })).json<BatchDiff>().result;
    expect(await diff(a, a)).toMatchObject({ same: true });
    const { same, layers } = await diff(a, b);
    expect(same).toBe(false);
    expect(layers.map(({ layer, present }) => [layer, present.a, present.b])).toEqual([
      ['bronze', true, true],
      ['silver', true, true],
      ['gold', true, false],
    ]);
    const key = `silver/batch=${b}/manifest.json`;
    const manifest = JSON.parse((await lake.read(key)).toString());
    manifest.tables[0].columns.push({ name: 'extra', type: 'VARCHAR' });
    manifest.tables[0].columns[0].type = 'HUGEINT';
    manifest.tables[0].rows += 7;
    manifest.rejected = { rating_out_of_range: 3 };
    manifest.settings = { preset: 'other' };
    await lake.put(key, JSON.stringify(manifest));
    const changed = (await diff(a, b)).layers[1];
    const [table] = changed?.tables ?? [];
    expect((table?.rows.b ?? 0) - (table?.rows.a ?? 0)).toBe(7);
    expect(table?.columns.added).toEqual(['extra']);
    expect(table?.columns.changed).toEqual([
      { name: expect.any(String), type: { a: expect.any(String), b: 'HUGEINT' } },
    ]);
    expect(changed?.rejected).toContainEqual({
      rule: 'rating_out_of_range',
      rows: { a: expect.any(Number), b: 3 },
    });
    expect(changed?.settings.map(({ name }) => name)).toContain('preset');
    const { stdout } = await runCli(['batch', 'diff', a, b], { cwd });
    expect(stdout).toContain('HUGEINT');
    expect(stdout).toContain(`gold  only in ${a}`);
    const unknown = await runCli(['batch', 'diff', a, '20200101_000000', '--json'], { cwd });
    expect([unknown.code, unknown.json().error.code]).toEqual([2, 'BATCH_NOT_FOUND']);
  });

  it('a local lake has nothing to restore from, and says so', async () => {
    const { code, json } = await runCli(['batch', 'restore', '20260131_235959', '--json']);
    expect([code, json().error.code]).toEqual([1, 'LAKE_KEEPS_NO_VERSIONS']);
    expect(json().error.hint).toContain('pipeline run --batch-id 20260131_235959');
  });
});

describe('db export best-reviews', () => {
  let database: TestDatabase;
  let cwd: string;
  const reviews = 3000;
  const products = reviews / 10 + 1;

  beforeAll(async () => {
    database = await createTestDatabase();
    await insertReviews(await database.client(), reviews);
  });
  afterAll(() => database.drop());
  const options = (): CliOptions & { cwd: string } => ({
    cwd,
    env: { NEON_DB_URL: database.target.url },
  });
  const run = (...args: string[]) => runCli(['db', 'export', 'best-reviews', ...args], options());

  it('hands over what `product best` shows, in both formats, by the schema', async () => {
    cwd = await sandbox();
    const empty = await run('--json');
    expect([empty.code, empty.json().error.code]).toEqual([1, 'NOTHING_PUBLISHED']);
    expect((await runCli(['pipeline', 'run'], options())).code).toBe(0);

    const schema = JSON.parse((await run('--schema')).stdout);
    const exported = JSON.parse((await run()).stdout) as BestReviewRecord[];
    expect(exported).toHaveLength(products);
    expect(z.fromJSONSchema(schema).safeParse(exported).error).toBeUndefined();
    const best = await runCli(['product', 'best', 'P7', '--json'], options());
    const { reviewId, score, body } = best.json<BestReviewRecord>().result;
    expect(exported.find(({ productId }) => productId === 'P7')).toMatchObject({
      reviewId,
      score,
      body,
    });
    expect(JSON.stringify(exported)).not.toMatch(/customer|buyer/i);

    const file = join(cwd, 'out', 'best.json');
    const written = await run('--output', file, '--json');
    expect(written.json().result).toEqual({ format: 'json', file, products });
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(exported);
    const csv = join(cwd, 'best.csv');
    expect((await run('--format', 'csv', '--output', csv)).code).toBe(0);
    const lines = (await readFile(csv, 'utf8')).trimEnd().split('\n');
    expect(lines[0]).toBe(Object.keys(exported[0] ?? {}).join(','));
    expect(lines).toHaveLength(products + 1);
    expect((await run('--format', 'csv')).stdout).toBe(await readFile(csv, 'utf8'));
  });

  it('gives no time that the format cannot say, and every one that it can', async () => {
    cwd = await sandbox();
    const client = await database.client();
    const times = {
      P1: ['-infinity', null],
      P2: ['infinity', null],
      P3: ['0044-03-15 12:00:00+00 BC', null],
      P4: ['10000-01-01 00:00:00+00', null],
      P5: ['0001-01-01 00:00:00+00', '0001-01-01T00:00:00.000Z'],
      P6: ['9999-12-31 23:59:59+00', '9999-12-31T23:59:59.000Z'],
    } as const;
    for (const [product, [time]] of Object.entries(times)) {
      await client.execute(
        `UPDATE amazon.fact_reviews SET reviewed_at = '${time}' WHERE product_id = '${product}'`,
      );
    }
    const exported = JSON.parse((await run()).stdout) as BestReviewRecord[];
    for (const [product, [, said]] of Object.entries(times)) {
      const found = exported.find(({ productId }) => productId === product);
      expect([product, found?.reviewedAt]).toEqual([product, said]);
    }
  });

  it('writes nothing when a record does not fit, and leaves the file that was there', async () => {
    cwd = await sandbox({ 'best.json': 'the one of yesterday' });
    const client = await database.client();
    await client.execute("UPDATE amazon.fact_reviews SET body = '' WHERE product_id = 'P7'");
    const { code, json } = await run('--output', 'best.json', '--json');
    expect([code, json().error.code]).toEqual([1, 'EXPORT_INVALID']);
    expect(json().error.message).toMatch(/product P7 .*body/);
    expect(await readFile(join(cwd, 'best.json'), 'utf8')).toBe('the one of yesterday');
  });
});
