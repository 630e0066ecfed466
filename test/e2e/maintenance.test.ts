import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatabaseClient } from '../../src/database/client.js';
import { openLocalLake } from '../../src/lake/local.js';
import type { AuditFinding } from '../../src/maintenance/audit/finding.js';
import { batchesIn, keysOf, putBatch } from '../maintenance/support.js';
import { runCli, startCli } from '../support/cli.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { sandbox } from '../support/sandbox.js';

const january = '20250101_000000';
const february = '20250215_000000';
const march = '20250316_000000';

async function project(files = 2) {
  const cwd = await sandbox();
  const root = join(cwd, '.reviewops', 'data');
  const lake = openLocalLake(root);
  for (const batchId of [january, february, march]) await putBatch(lake, batchId, { files });
  return { cwd, root, lake, run: (...args: string[]) => runCli(args, { cwd }) };
}

interface Purged {
  runId: string;
  planHash: string;
  next: string | null;
  batches: { batchId: string; objects: number; bytes: number }[];
  objectsDeleted: number;
  bytesFreed: number;
}

describe('batch purge', () => {
  it('shows its plan, is refused without a confirmation, and takes the hash or the word', async () => {
    const { lake, run } = await project();
    const purge = ['batch', 'purge', '--older-than', '30d', '--keep-last', '1', '--json'];
    const dry = await run(...purge, '--dry-run');
    const { result } = dry.json<Purged>();
    expect(dry.code).toBe(0);
    expect(result).toMatchObject({
      batches: [{ batchId: january, objects: 9 }, { batchId: february }],
      objectsDeleted: 0,
      bytesFreed: 0,
    });
    expect(result.planHash).toMatch(/^[0-9a-f]{64}$/);
    const refused = await run(...purge);
    expect([refused.code, refused.json().error.code]).toEqual([3, 'CONFIRMATION_REQUIRED']);
    expect(refused.json().error.hint).toContain(`--plan ${result.planHash}`);
    const yes = await run(...purge, '--yes');
    expect([yes.code, yes.json().error.code]).toEqual([3, 'CONFIRMATION_REQUIRED']);
    expect(result.next).toBe(
      `reviewops batch purge --older-than 30d --keep-last 1 --json --plan ${result.planHash}`,
    );
    const wrong = await run(...purge, '--plan', 'f'.repeat(64));
    expect([wrong.code, wrong.json().error.code]).toEqual([3, 'PLAN_CHANGED']);
    expect(Object.keys(await batchesIn(lake))).toHaveLength(3);
    const done = await run(...purge, '--plan', result.planHash);
    const bytes = result.batches.reduce((sum, batch) => sum + batch.bytes, 0);
    expect(done.json<Purged>()).toMatchObject({
      status: 0,
      result: { objectsDeleted: 18, bytesFreed: bytes, planHash: result.planHash },
    });
    expect(await batchesIn(lake)).toEqual({ [march]: 9 });
    const nothing = await run(...purge, '--confirm', 'batches');
    expect(nothing.json<Purged>()).toMatchObject({ status: 0, result: { batches: [] } });
  });

  it('deletes a named batch, but not while it is on hold', async () => {
    const { lake, run } = await project();
    const purge = ['batch', 'purge', '--batch-id', january, '--keep-last', '1', '--json'];
    expect((await run('batch', 'hold', january, '--reason', 'case 12')).code).toBe(0);
    const held = await run(...purge, '--confirm', january);
    expect(held.json()).toMatchObject({ status: 3, error: { code: 'BATCH_PROTECTED' } });
    expect((await run('batch', 'release', january)).code).toBe(3);
    expect((await run('batch', 'release', january, '--yes')).stdout).toContain('case 12');
    expect((await run(...purge, '--confirm', january)).code).toBe(0);
    expect(Object.keys(await batchesIn(lake))).toEqual([february, march]);
    const missing = await run(...purge, '--confirm', january);
    expect(missing.json()).toMatchObject({ status: 2, error: { code: 'BATCH_NOT_FOUND' } });
  });

  it.each(['SIGKILL', 'SIGINT'] as const)(
    'ended by %s, it is resumed to the same end',
    async (signal) => {
      const { cwd, lake, run } = await project(20);
      const purge = ['batch', 'purge', '--keep-last', '1', '--confirm', 'batches', '--rate', '15'];
      const running = startCli(purge, { cwd });
      const gone = async () => !(await batchesIn(lake))[january];
      while (!(await gone())) await new Promise((resolve) => setTimeout(resolve, 20));
      running.child.kill(signal);
      const ended = await running.result;
      expect(signal === 'SIGINT' ? ended.code : ended.signal).toBe(
        signal === 'SIGINT' ? 130 : 'SIGKILL',
      );
      const left = Object.values(await batchesIn(lake)).reduce((sum, count) => sum + count, 0);
      expect(left).toBeGreaterThan(63);
      const runId = /run_\w+/.exec(ended.stderr)?.[0] ?? '';
      const resumed = await run('runbook', 'resume', runId, '--json');
      expect(resumed.json()).toMatchObject({ status: 0, result: { state: 'succeeded' } });
      expect(await batchesIn(lake)).toEqual({ [march]: 63 });
      expect(await keysOf(lake, 'leases/')).toEqual([]);
    },
  );
});

describe('logs purge', () => {
  it('deletes old logs, never the metrics of the last run', async () => {
    const { lake, root, run } = await project();
    for (const name of ['old.jsonl', 'last_run_metrics.json']) {
      await lake.put(`logs/${name}`, 'x');
      await utimes(join(root, 'logs', name), 0, 0);
    }
    await lake.put('logs/new.jsonl', 'x');
    const refused = await run('logs', 'purge', '--json');
    expect(refused.json()).toMatchObject({ status: 3 });
    const done = await run('logs', 'purge', '--confirm', 'logs', '--json');
    expect(done.json()).toMatchObject({
      status: 0,
      result: { objectsDeleted: 1, bytesFreed: 1, batches: [] },
    });
    expect(await keysOf(lake, 'logs/')).toEqual(['logs/last_run_metrics.json', 'logs/new.jsonl']);
  });
});

describe('of the database', () => {
  let database: TestDatabase;
  let client: DatabaseClient;
  beforeAll(async () => {
    database = await createTestDatabase();
    client = await database.client();
    await client.execute('ALTER TABLE amazon.review SET (autovacuum_enabled = off)');
    await client.execute(
      "INSERT INTO amazon.review SELECT 'R' || i, NULL, 'T', repeat('x', 200), 3, true, 0, now() FROM generate_series(1, 4000) i",
    );
    await client.query('SELECT pg_stat_force_next_flush()');
    await client.execute('DELETE FROM amazon.review WHERE substr(review_id, 2)::int % 4 = 0');
    await client.query('SELECT pg_stat_force_next_flush()');
    await client.query('SELECT 1');
  });
  afterAll(() => database.drop());

  const run = (...args: string[]) => runCli(args, { env: { NEON_DB_URL: database.target.url } });

  it('db vacuum measures before and after', async () => {
    expect((await run('db', 'vacuum', '--json')).json()).toMatchObject({ status: 3 });
    const dry = await run('db', 'vacuum', '--json', '--dry-run');
    expect(dry.json()).toMatchObject({
      status: 0,
      result: {
        dryRun: true,
        tables: [{ table: 'amazon.review', deadTuplesBefore: 1000, deadTuplesAfter: null }],
      },
    });
    const done = await run('db', 'vacuum', '--refresh-views', '--yes', '--json');
    expect(done.json()).toMatchObject({
      status: 0,
      result: {
        planHash: expect.stringMatching(/^[0-9a-f]{64}$/),
        tables: [
          {
            table: 'amazon.review',
            deadTuplesBefore: 1000,
            deadTuplesAfter: 0,
            bytesBefore: expect.any(Number),
            bytesAfter: expect.any(Number),
            seconds: expect.any(Number),
          },
        ],
        blockers: [],
      },
    });
    const full = ['db', 'vacuum', '--full', '--table', 'review', '--json'];
    expect((await run(...full, '--yes')).json()).toMatchObject({
      status: 3,
      error: { code: 'CONFIRMATION_REQUIRED' },
    });
    expect((await run(...full, '--confirm', 'review')).json()).toMatchObject({ status: 0 });
    expect((await run('db', 'vacuum', '--table', 'reviews', '--json')).json()).toMatchObject({
      status: 2,
      error: { code: 'TABLE_NOT_FOUND', hint: expect.stringContaining('review') },
    });
  });

  it('db audit ends with 1 when somebody has to act', async () => {
    await client.execute('CREATE TABLE amazon.heap (i integer)');
    const found = await run('db', 'audit', '--json');
    const { findings } = found.json<{ findings: AuditFinding[] }>().result;
    expect(findings.find(({ object }) => object === 'amazon.heap')).toMatchObject({
      check: 'primary-key',
      state: 'warning',
    });
    expect(found.code).toBe(1);
    const text = await run('db', 'audit');
    expect(text.stdout).toMatch(/warning primary-key: amazon\.heap has no primary key/);
  });
});
