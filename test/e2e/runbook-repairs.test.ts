import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatabaseClient } from '../../src/database/client.js';
import { type CliOptions, runCli, startCli } from '../support/cli.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { holdTable } from '../support/hold.js';
import { insertReviews } from '../support/world.js';

interface RunResult {
  runId: string;
  state: string;
  steps: { id: string; state: string; summary: string }[];
  planHash: string | null;
}

const batchId = '20260102_030405';

describe('repairs as commands', () => {
  let database: TestDatabase;
  let client: DatabaseClient;
  let directory: string;

  const options = (url = database.target.url): CliOptions & { cwd: string } => ({
    cwd: directory,
    env: { NEON_DB_URL: url },
  });
  const run = (...args: string[]) => runCli([...args, '--json'], options());
  const data = (...path: string[]) => join(directory, '.reviewops', 'data', ...path);
  const batchState = async () => {
    const { batches } = (await run('batch', 'verify', batchId)).json<{
      batches: { state: string }[];
      state: string;
    }>().result;
    return batches?.[0]?.state;
  };
  const facts = async () =>
    (await client.query<{ n: number }>('SELECT count(*)::int AS n FROM amazon.fact_reviews'))[0]?.n;

  beforeAll(async () => {
    database = await createTestDatabase();
    client = await database.client();
    await insertReviews(client, 2000);
    directory = await mkdtemp(join(tmpdir(), 'reviewops-repairs-'));
    expect((await run('pipeline', 'run', '--batch-id', batchId)).code).toBe(0);
  });
  afterAll(async () => {
    await database.drop();
    await rm(directory, { recursive: true, force: true });
  });

  it('silver is lost: refused without --yes, repaired with it', async () => {
    await rm(data('silver'), { recursive: true });
    await rm(data('gold'), { recursive: true });
    const refused = await run('runbook', 'run', 'silver-missing');
    expect(refused.code).toBe(3);
    expect(await readdir(data())).not.toContain('silver');
    const { code, json } = await run('runbook', 'run', 'silver-missing', '--yes');
    expect([code, json<RunResult>().result.state]).toEqual([0, 'succeeded']);
    expect(await batchState()).toBe('complete');
    expect(await facts()).toBe(1840);
  });

  it('bronze is damaged: needs the name or the plan, then makes the batch again', async () => {
    const directoryOfBatch = data('bronze', `batch=${batchId}`);
    const [name = ''] = (await readdir(directoryOfBatch)).filter((one) =>
      one.startsWith('review.'),
    );
    const bytes = await readFile(join(directoryOfBatch, name));
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff;
    await writeFile(join(directoryOfBatch, name), bytes);
    const moderate = await run('runbook', 'run', 'corrupt-batch', '--yes');
    expect(moderate.code).toBe(3);
    expect(await readdir(directoryOfBatch)).toContain(name);
    const { code, json } = await run('runbook', 'run', 'corrupt-batch', '--confirm', batchId);
    expect([code, json<RunResult>().result.state]).toEqual([0, 'succeeded']);
    expect(await batchState()).toBe('complete');
  });

  it('a table is dropped, the rows are loaded again by the next runbook', async () => {
    await client.execute('DROP TABLE amazon.fact_reviews CASCADE');
    expect((await run('product', 'best', 'P7')).code).not.toBe(0);
    expect((await run('runbook', 'run', 'relation-not-found', '--yes')).code).toBe(0);
    expect((await run('runbook', 'run', 'inconsistent-rows', '--yes')).code).toBe(0);
    expect(await facts()).toBe(1840);
    expect((await run('product', 'best', 'P7')).code).toBe(0);
  });

  it('a wrong password: says so, waits for a person, and shows no password', async () => {
    const url = new URL(database.target.url);
    url.password = 'not-the-one-5521';
    const { code, stdout, stderr } = await runCli(
      ['runbook', 'run', 'database-connection', '--yes', '--json'],
      options(url.href),
    );
    expect(code).not.toBe(0);
    expect(stdout).toMatch(/refused the password/);
    const runs = join(directory, '.reviewops', 'runs');
    const journals = await Promise.all(
      (await readdir(runs))
        .filter((name) => name.endsWith('.jsonl'))
        .map((name) => readFile(join(runs, name), 'utf8')),
    );
    expect([stdout, stderr, ...journals].join('')).not.toContain('not-the-one-5521');
  });

  it('killed in the middle, is found interrupted and completed by runbook resume', async () => {
    await rm(data('gold'), { recursive: true });
    const hold = await holdTable(database, 'amazon.fact_reviews');
    const killed = startCli(['runbook', 'run', 'gold-incomplete', '--yes'], options());
    await hold.awaited();
    killed.child.kill('SIGKILL');
    expect((await killed.result).signal).toBe('SIGKILL');
    await hold.release();
    const history = (await run('runbook', 'history')).json<{
      runs: { runId: string; runbook: string; state: string }[];
    }>().result;
    const [last] = history.runs;
    expect(last).toMatchObject({ runbook: 'gold-incomplete', state: 'interrupted' });
    const { code, json } = await run('runbook', 'resume', last?.runId ?? '', '--yes');
    expect([code, json<RunResult>().result.state]).toEqual([0, 'succeeded']);
    expect(await batchState()).toBe('complete');
    expect(await facts()).toBe(1840);
  });
});
