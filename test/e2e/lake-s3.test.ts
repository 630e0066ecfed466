import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BatchSummary } from '../../src/lake/batch-state.js';
import { runCli, startCli } from '../support/cli.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { clientOf, makeBucket, randomName } from '../support/s3-probe.js';
import { type S3Proxy, startProxy } from '../support/s3-proxy.js';
import { type RunningServer, startS3 } from '../support/s3-server.js';
import { sandbox } from '../support/sandbox.js';
import { insertReviews } from '../support/world.js';

interface RunResult {
  batchId: string;
  stages: { stage: string; rowsIn: number; rowsOut: number; rejected: number }[];
}

const batchId = '20260102_030405';
const reviews = 5000;

describe('the pipeline with its lake on S3', () => {
  let database: TestDatabase;
  let server: RunningServer;
  let proxy: S3Proxy;
  let pattern: string;
  let cwd: string;

  beforeAll(async () => {
    [database, server] = await Promise.all([createTestDatabase(), startS3()]);
    await insertReviews(await database.client(), reviews);
    proxy = await startProxy(server.endpoint, { conditions: true });
  });
  afterAll(async () => {
    await proxy.stop();
    await Promise.all([server.stop(), database.drop()]);
  });
  beforeEach(async () => {
    cwd = await sandbox();
    proxy.rules.length = 0;
    const name = randomName();
    pattern = `${name}-{env}-{layer}`;
    for (const layer of ['raw', 'bronze', 'silver', 'gold']) {
      await makeBucket(server, `${name}-prod-${layer}`);
    }
  });

  const environment = () => ({
    NEON_DB_URL: database.target.url,
    REVIEWOPS_PROFILE: 'prod',
    REVIEWOPS_LAKE_KIND: 's3',
    REVIEWOPS_LAKE_S3_BUCKET: pattern,
    REVIEWOPS_LAKE_S3_MAX_ATTEMPTS: '3',
    AWS_ENDPOINT_URL: proxy.endpoint,
    AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
  });
  const start = (args: string[], env: Record<string, string> = {}) =>
    startCli(args, { cwd, env: { ...environment(), ...env } });
  const run = (...args: string[]) => runCli([...args, '--json'], { cwd, env: environment() });
  const expectComplete = async () => {
    const verified = await run('batch', 'verify', batchId);
    expect([verified.code, verified.json<{ batches: object[] }>().result.batches]).toEqual([
      0,
      [expect.objectContaining({ state: 'complete', findings: [] })],
    ]);
  };

  it('gives what it gives with a local one, in the layout of the buckets', async () => {
    const onS3 = await run('pipeline', 'run', '--batch-id', batchId);
    expect(onS3.json().error).toBeUndefined();
    await expectComplete();
    const best = await run('product', 'best', 'P7');
    const local = await runCli(['pipeline', 'run', '--batch-id', batchId, '--json'], {
      cwd,
      env: { NEON_DB_URL: database.target.url },
    });
    const rows = ({ stages }: RunResult) =>
      stages.map(({ stage, rowsIn, rowsOut, rejected }) => ({ stage, rowsIn, rowsOut, rejected }));
    expect(rows(onS3.json<RunResult>().result)).toEqual(rows(local.json<RunResult>().result));
    const localBest = await runCli(['product', 'best', 'P7', '--json'], {
      cwd,
      env: { NEON_DB_URL: database.target.url },
    });
    // The score depends on the moment of the snapshot, by freshness.
    const { score: _, ...review } = localBest.json<{ score: number }>().result;
    expect(best.json().result).toMatchObject(review);
    await expectLayout();
  });

  const expectLayout = async () => {
    const client = clientOf(server);
    const { ListObjectsV2Command } = await import('@aws-sdk/client-s3');
    const keysIn = async (layer: string): Promise<string[]> => {
      const Bucket = pattern.replace('{env}', 'prod').replace('{layer}', layer);
      const { Contents } = await client.send(new ListObjectsV2Command({ Bucket }));
      return (Contents ?? []).map(({ Key }) => Key ?? '');
    };
    expect(await keysIn('gold')).toEqual([
      `batch=${batchId}/fact_reviews.parquet`,
      `batch=${batchId}/manifest.json`,
    ]);
    const bronze = await keysIn('bronze');
    expect(bronze).toContain(`batch=${batchId}/review.parquet`);
    expect(bronze).toContain('_system/logs/last_run_metrics.json');
    expect(bronze.filter((key) => key.startsWith('_system/leases/'))).toEqual([]);
    const listed = await run('batch', 'list');
    const [batch] = listed.json<{ batches: BatchSummary[] }>().result.batches;
    expect(batch).toMatchObject({ batchId, state: 'complete', problems: [] });
  };

  it('keeps each layer where the configuration says: silver here, the others on S3', async () => {
    await writeFile(
      join(cwd, 'reviewops.config.yaml'),
      'lake:\n  layers:\n    silver: { kind: local, path: silver-here }\n',
    );
    const mixed = await run('pipeline', 'run', '--batch-id', batchId);
    expect(mixed.json().error).toBeUndefined();
    await expectComplete();
    const below = await readdir(join(cwd, 'silver-here'), { recursive: true });
    expect(below).toContain(join('silver', `batch=${batchId}`, 'manifest.json'));
    const client = clientOf(server);
    const { ListObjectsV2Command } = await import('@aws-sdk/client-s3');
    const counts = await Promise.all(
      ['bronze', 'silver', 'gold'].map(async (layer) => {
        const Bucket = pattern.replace('{env}', 'prod').replace('{layer}', layer);
        return (await client.send(new ListObjectsV2Command({ Bucket }))).KeyCount;
      }),
    );
    expect(counts).toEqual([expect.toSatisfy((n) => n > 2), 0, 2]);
    const again = await run('pipeline', 'run', '--batch-id', batchId, '--from', 'model');
    expect(again.code).toBe(0);
  });

  it('stops when the credential expires, and goes on after its renewal', async () => {
    let expired = false;
    proxy.rules.push({
      when: ({ method, path }) => {
        expired ||= method === 'PUT' && path.includes('-silver/');
        return expired;
      },
      fault: { kind: 'refuse', status: 400, code: 'ExpiredToken' },
    });
    const stopped = await run('pipeline', 'run', '--batch-id', batchId);
    expect(stopped.code).toBe(5);
    const { error } = stopped.json();
    expect(error.code).toBe('LAKE_CREDENTIALS_EXPIRED');
    expect(error.message).toContain(`access key …${server.credentials.accessKeyId.slice(-4)}`);
    expect(error.message).toMatch(/^transform: .*-silver\/batch=/);
    expect(error.hint).toMatch(/run the same command again/);
    proxy.rules.length = 0;
    expect(stopped.stdout + stopped.stderr).not.toContain(server.credentials.secretAccessKey);
    const [batch] = (await run('batch', 'list')).json<{ batches: BatchSummary[] }>().result.batches;
    expect(batch).toMatchObject({ state: 'partial', layers: ['bronze'] });
    proxy.rules.length = 0;
    expect((await run('pipeline', 'run', '--batch-id', batchId)).code).toBe(0);
    await expectComplete();
  });

  it('killed while it uploads, shows no partial batch, and running it again completes it', async () => {
    const running = start(['pipeline', 'run', '--batch-id', batchId]);
    proxy.rules.push({
      when: ({ method, path }) => method === 'PUT' && /-silver.*parquet$/.test(path),
      fault: {
        kind: 'before',
        run: async () => {
          running.child.kill('SIGKILL');
        },
      },
      times: 1,
    });
    expect((await running.result).signal).toBe('SIGKILL');
    const [batch] = (await run('batch', 'list')).json<{ batches: BatchSummary[] }>().result.batches;
    expect(batch).toMatchObject({ layers: ['bronze'] });
    expect((await run('pipeline', 'run', '--batch-id', batchId)).code).toBe(0);
    await expectComplete();
  });

  it('ends within two seconds of Ctrl-C while the store does not answer', async () => {
    const running = start(['pipeline', 'run', '--batch-id', batchId]);
    let asked: () => void;
    const reached = new Promise<void>((resolve) => {
      asked = resolve;
    });
    proxy.rules.push({
      when: ({ method, path }) => method === 'PUT' && path.includes('-bronze/batch='),
      fault: {
        kind: 'before',
        run: () => {
          asked();
          return new Promise(() => undefined);
        },
      },
    });
    await reached;
    const from = performance.now();
    running.child.kill('SIGINT');
    const { code, stderr } = await running.result;
    expect(performance.now() - from).toBeLessThan(4000);
    expect([code, stderr]).toEqual([130, expect.stringContaining('INTERRUPTED')]);
  });

  it('never shows the SDK’s advice on Node', async () => {
    const { code, stderr } = await start(['batch', 'list', '--verbose']).result;
    expect([code, stderr]).toEqual([0, '']);
  });

  it('takes credentials from .env, and says where they are missing', async () => {
    const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, ...rest } = environment();
    const without = { ...rest, AWS_EC2_METADATA_DISABLED: 'true' };
    const missing = await runCli(['batch', 'list', '--json'], { cwd, env: without });
    expect([missing.code, missing.json().error.code]).toEqual([5, 'LAKE_CREDENTIALS_MISSING']);
    const file = await sandbox({
      '.env': `AWS_ACCESS_KEY_ID=${id}\nAWS_SECRET_ACCESS_KEY=${secret}\n`,
    });
    expect((await runCli(['batch', 'list', '--json'], { cwd: file, env: without })).code).toBe(0);
  });
});
