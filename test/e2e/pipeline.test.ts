import { createHash } from 'node:crypto';
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DatabaseClient } from '../../src/database/client.js';
import { type CliOptions, runCli, startCli } from '../support/cli.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { sandbox } from '../support/sandbox.js';
import { insertReviews } from '../support/world.js';

interface RunResult {
  batchId: string;
  status: string;
  stages: { stage: string; rowsIn: number; rowsOut: number; rejected: number }[];
}

const batchId = '20260102_030405';
const reviews = 20_000;
const published = reviews - reviews / 20 - reviews / 25 + reviews / 100;

describe('the pipeline as a command', () => {
  let database: TestDatabase;
  let client: DatabaseClient;
  let directory: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    client = await database.client();
    await insertReviews(client, reviews);
  });
  afterAll(() => database.drop());
  beforeEach(async () => {
    directory = await sandbox();
  });
  afterEach(async () => {
    await client.execute('TRUNCATE amazon.fact_reviews, maintenance.fact_loads');
  });

  const options = (): CliOptions & { cwd: string } => ({
    cwd: directory,
    env: { NEON_DB_URL: database.target.url },
  });
  const run = (...args: string[]) => runCli([...args, '--json'], options());
  const facts = async () =>
    Number(
      (await client.query<{ n: string }>('SELECT count(*) AS n FROM amazon.fact_reviews'))[0]?.n,
    );
  const file = (layer: string, name: string) =>
    join(directory, '.reviewops', 'data', layer, `batch=${batchId}`, name);
  /** Resolves once the log of the run says that the stage has begun. */
  const begun = (stage: string) =>
    vi.waitFor(
      async () => {
        const logs = join(directory, '.reviewops', 'logs');
        const names = await readdir(logs);
        const texts = await Promise.all(names.map((name) => readFile(join(logs, name), 'utf8')));
        expect(texts.join('')).toMatch(new RegExp(`"logger":"${stage}".*stage started`));
      },
      { timeout: 20_000, interval: 2 },
    );
  const complete = async () => {
    const { code, json } = await run('pipeline', 'run', '--batch-id', batchId);
    expect(code).toBe(0);
    expect(json<RunResult>().result.stages.at(-1)?.rowsOut).toBe(published);
    expect(await facts()).toBe(published);
    const verified = await run('batch', 'verify', batchId);
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('"complete"')]);
  };

  it('leads from the source to the best review and its explanation', async () => {
    const { code, json, stderr } = await run('pipeline', 'run');
    expect(code).toBe(0);
    const { result } = json<RunResult>();
    expect(result.batchId).toMatch(/^\d{8}_\d{6}$/);
    expect(result.stages.map(({ stage }) => stage)).toEqual([
      'extract',
      'transform',
      'model',
      'load',
    ]);
    for (const { rowsIn, rowsOut, rejected } of result.stages.slice(1)) {
      expect(rowsIn).toBe(rowsOut + rejected);
    }
    expect(stderr).toMatch(/extract/);
    const best = await run('product', 'best', 'P7');
    const { reviewId, score } = best.json<{ reviewId: string; score: number }>().result;
    const why = await run('review', 'explain', reviewId);
    const { components, rank } = why.json<{ components: { points: number }[]; rank: number }>()
      .result;
    expect(rank).toBe(1);
    expect(components.reduce((sum, { points }) => sum + points, 0)).toBeCloseTo(score, 6);
    const status = await run('pipeline', 'status');
    expect(status.json<{ runs: object[] }>().result.runs[0]).toMatchObject({
      batchId: result.batchId,
      status: 'succeeded',
    });
  });

  it('says nothing on stderr under --quiet, and plain lines without a terminal', async () => {
    const quiet = await runCli(['pipeline', 'extract', '--quiet'], options());
    expect([quiet.code, quiet.stderr]).toEqual([0, expect.not.stringMatching(/extract/)]);
    const plain = await runCli(['pipeline', 'extract'], options());
    expect(plain.stderr).toMatch(/extract/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape that redraws a line
    expect(plain.stderr).not.toMatch(/[\u001b\r]/);
  });

  it.each(['extract', 'transform', 'model', 'load'] as const)(
    'killed in %s, shows no partial batch, and running it again completes it',
    async (stage) => {
      const killed = startCli(['pipeline', 'run', '--batch-id', batchId], options());
      await begun(stage);
      killed.child.kill('SIGKILL');
      expect((await killed.result).signal).toBe('SIGKILL');
      expect(await facts()).toBe(0);
      const listed = await run('batch', 'list');
      for (const batch of listed.json<{ batches: { state: string }[] }>().result.batches) {
        expect(batch.state).toBe(stage === 'load' ? 'complete' : 'partial');
      }
      await complete();
      const status = await run('pipeline', 'status');
      expect(
        status.json<{ runs: { status: string }[] }>().result.runs.map((r) => r.status),
      ).toContain('interrupted');
    },
  );

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'ends within two seconds of %s, with exit 130, and its hint completes the batch',
    async (signal) => {
      for (const stage of ['extract', 'transform', 'load'] as const) {
        directory = await sandbox();
        const stopped = startCli(['pipeline', 'run', '--batch-id', batchId], options());
        await begun(stage);
        const asked = performance.now();
        stopped.child.kill(signal);
        const { code, stderr } = await stopped.result;
        expect(performance.now() - asked).toBeLessThan(2_000);
        expect([code, stderr]).toEqual([130, expect.stringContaining('INTERRUPTED')]);
        expect(await facts()).toBe(0);
        const active = await client.query(
          "SELECT query FROM pg_stat_activity WHERE application_name LIKE 'reviewops %' AND datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'",
        );
        expect(active).toEqual([]);
      }
      await complete();
    },
  );

  it('refuses the same batch twice at once with the name of its owner', async () => {
    const first = startCli(['pipeline', 'run', '--batch-id', batchId, '--json'], options());
    await begun('extract');
    const second = await run('pipeline', 'run', '--batch-id', batchId);
    expect(second.code).toBe(3);
    expect(second.json().error).toMatchObject({
      code: 'LEASE_HELD',
      message: expect.stringMatching(new RegExp(`\\(pid ${first.child.pid}\\)`)),
    });
    expect((await first.result).code).toBe(0);
  });

  describe('names what is broken', () => {
    it('a corrupt Parquet part', async () => {
      expect((await run('pipeline', 'run', '--batch-id', batchId, '--to', 'extract')).code).toBe(0);
      const [name = ''] = (await readdir(file('bronze', ''))).filter((n) =>
        n.startsWith('review.'),
      );
      const bytes = await readFile(file('bronze', name));
      bytes.fill(0x5a, 100, bytes.length - 5000);
      await writeFile(file('bronze', name), bytes);
      const { code, json } = await run(
        'pipeline',
        'run',
        '--batch-id',
        batchId,
        '--from',
        'transform',
      );
      expect([code, json().error.code]).toEqual([1, 'FILE_CORRUPT']);
      expect(json().error.message).toContain(name);
      expect(json().error.hint).toContain('batch verify');
      const verified = await run('batch', 'verify', batchId);
      expect(verified.code).toBe(1);
      expect(verified.stdout).toContain(name);
      await complete();
    });

    it('a manifest cut short', async () => {
      expect((await run('pipeline', 'run', '--batch-id', batchId)).code).toBe(0);
      await truncate(file('silver', 'manifest.json'), 100);
      const { code, json } = await run('pipeline', 'model', '--batch-id', batchId);
      expect([code, json().error.code]).toEqual([1, 'MANIFEST_CORRUPT']);
      expect(json().error.message).toContain('silver');
      expect(await facts()).toBe(published);
      const listed = await run('batch', 'list');
      expect(listed.json<{ batches: { state: string }[] }>().result.batches[0]?.state).toBe(
        'corrupt',
      );
      await complete();
    });

    it('a file that is gone', async () => {
      expect((await run('pipeline', 'run', '--batch-id', batchId)).code).toBe(0);
      const [name = ''] = (await readdir(file('gold', ''))).filter((n) => n.endsWith('.parquet'));
      await rm(file('gold', name));
      const { code, json } = await run('pipeline', 'load', '--batch-id', batchId);
      expect([code, json().error.code]).toEqual([1, 'OBJECT_NOT_FOUND']);
      expect(await facts()).toBe(published);
    });

    it('a column that was renamed', async () => {
      await client.execute('ALTER TABLE amazon.review RENAME COLUMN helpful_votes TO votes');
      try {
        const { code, json } = await run('pipeline', 'run');
        expect([code, json().error.code]).toEqual([2, 'COLUMN_NOT_FOUND']);
        expect(json().error.message).toMatch(/helpful_votes/);
        expect(json().error.message + json().error.hint).toMatch(/source\.entities\.review/);
      } finally {
        await client.execute('ALTER TABLE amazon.review RENAME COLUMN votes TO helpful_votes');
      }
    });

    it('a table that was dropped', async () => {
      await client.execute('ALTER TABLE amazon.review_images RENAME TO gone');
      try {
        const { code, json } = await run('pipeline', 'run');
        expect([code, json().error.code]).toEqual([2, 'TABLE_NOT_FOUND']);
        expect(json().error.message).toContain('review_images');
      } finally {
        await client.execute('ALTER TABLE amazon.gone RENAME TO review_images');
      }
    });

    it('a database that goes away in the middle', async () => {
      const running = startCli(['pipeline', 'run', '--batch-id', batchId, '--json'], options());
      await begun('extract');
      // The run connects in its own time: asked until there was a connection to break off.
      await vi.waitFor(
        async () =>
          expect(
            await client.query(
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'reviewops extract%' AND datname = current_database()",
            ),
          ).not.toEqual([]),
        { timeout: 20_000, interval: 2 },
      );
      const { code, json } = await running.result;
      expect([code, json().error.code]).toEqual([5, 'DATABASE_UNREACHABLE']);
      expect(json().error.hint).toMatch(/--batch-id 20260102_030405 --from/);
      await complete();
    });

    it('a database that is not there', async () => {
      const { code, json, stderr } = await runCli(['pipeline', 'run', '--json'], {
        ...options(),
        env: { NEON_DB_URL: 'postgresql://ops:s3cret-word@127.0.0.1:1/none' },
      });
      expect([code, json().error.code]).toEqual([5, 'DATABASE_UNREACHABLE']);
      expect(JSON.stringify(json()) + stderr).not.toContain('s3cret-word');
    });

    it('a batch that does not exist, and an id that is none', async () => {
      const unknown = await run('pipeline', 'load', '--batch-id', batchId);
      expect([unknown.code, unknown.json().error.code]).toEqual([2, 'BATCH_NOT_FOUND']);
      const malformed = await run('pipeline', 'load', '--batch-id', '../x');
      expect([malformed.code, malformed.json().error.code]).toEqual([2, 'BATCH_ID_INVALID']);
    });
  });

  it('keeps customer ids and secrets out of logs, silver, gold and output', async () => {
    const key = createHash('sha256').update('e2e').digest('base64url');
    const { stdout, stderr } = await runCli(['pipeline', 'run', '--batch-id', batchId, '--json'], {
      ...options(),
      env: { NEON_DB_URL: database.target.url, REVIEWOPS_PSEUDONYM_KEY: key },
    });
    const password = decodeURIComponent(new URL(database.target.url).password);
    const data = join(directory, '.reviewops', 'data');
    const entries = await readdir(data, { recursive: true, withFileTypes: true });
    const texts = await Promise.all(
      entries
        .filter((entry) => entry.isFile() && !entry.name.endsWith('.parquet'))
        .map((entry) => readFile(join(entry.parentPath, entry.name), 'utf8')),
    );
    expect(texts.length).toBeGreaterThan(4);
    for (const text of [...texts, stdout, stderr]) {
      expect(text).not.toContain(key);
      expect(text).not.toContain(password);
    }
  });
});
