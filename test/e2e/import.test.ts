import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImportResult } from '../../src/import/job.js';
import { type CliResult, runCli, startCli } from '../support/cli.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { holdTable } from '../support/hold.js';

const food = 'ProductId,UserId,Score,Time,Summary,Text\nF1,U,5,1,s,t\nF1,U,5,1,s,t\nF1,U,x,1,s,t\n';

let database: TestDatabase;
let cwd: string;
beforeAll(async () => {
  database = await createTestDatabase();
  cwd = await mkdtemp(join(tmpdir(), 'reviewops-import-'));
  await writeFile(join(cwd, 'food.csv'), food);
});
afterAll(async () => {
  await rm(cwd, { recursive: true });
  await database.drop();
});

const run = (...args: string[]): Promise<CliResult> =>
  runCli(['db', 'import', ...args], { cwd, env: { NEON_DB_URL: database.target.url } });

describe('db import', () => {
  it('reports counts that add up, and where the rejects are', async () => {
    const done = await run('food.csv', '--json');
    expect(done.code).toBe(0);
    const { result, warnings } = done.json<ImportResult>();
    expect(result).toMatchObject({
      format: 'fine-food',
      read: 3,
      loaded: 1,
      rejected: 1,
      folded: 1,
      tables: expect.arrayContaining([{ table: 'review', rows: 1 }]),
    });
    expect(warnings).toEqual([expect.stringContaining(result.rejectsFile ?? 'no file')]);
    expect(result.rejectsFile).toContain(join('.reviewops', 'rejects', 'import-'));
    expect((await stat(result.rejectsFile ?? '')).mode & 0o777).toBe(0o600);
    const reject: unknown = JSON.parse(await readFile(result.rejectsFile ?? '', 'utf8'));
    expect(reject).toMatchObject({ line: 4, rule: 'rating_unreadable' });
  });

  it('says in words what happened', async () => {
    const { code, stdout, stderr } = await run('food.csv', '--quiet');
    expect(code).toBe(0);
    expect(stdout).toContain('Imported 3 records (fine-food)');
    expect(stdout).toContain('0 loaded, 1 rejected, 2 folded');
    expect(stderr).toContain('1 record was rejected: see');
  });

  it('imports a sample', async () => {
    const done = await run('--sample', '500', '--seed', '4', '--json');
    expect(done.json<ImportResult>().result).toMatchObject({ format: 'sample', rejected: 0 });
    const again = await run('--sample', '500', '--seed', '4');
    expect(again.stdout).toContain('in the database already');
  });

  it('reads standard input', async () => {
    const done = await runCli(['db', 'import', '-', '--json'], {
      cwd,
      env: { NEON_DB_URL: database.target.url },
      input: food,
    });
    expect(done.json<ImportResult>().result).toMatchObject({
      read: 3,
      files: [{ path: 'standard input' }],
    });
  });

  it.each([
    [[], 'Name files to import, or use --sample N'],
    [['food.csv', '--sample', '5'], 'Name files to import, or use --sample N'],
    [['--format', 'tables', '--sample', '5'], '--format cannot'],
    [['food.csv', '--seed', '5'], 'when using --seed: --sample'],
    [['nowhere.csv'], 'There is no file'],
    [['food.csv', '--format', 'xml'], 'There is no format "xml"'],
    [['--sample', '0'], 'A sample has 1 to'],
  ])('refuses %j', async (args, message) => {
    const [text, json] = await Promise.all([run(...args), run(...args, '--json')]);
    expect({ text: text.code, json: json.code }).toEqual({ text: 2, json: 2 });
    expect(text.stderr).toContain(message);
    expect(json.json().error.message).toContain(message);
  });

  it('stops at Ctrl-C and leaves nothing behind', async () => {
    const other = await createTestDatabase();
    try {
      const hold = await holdTable(other, 'amazon.review');
      const running = startCli(['db', 'import', '--sample', '5000'], {
        cwd,
        env: { NEON_DB_URL: other.target.url },
      });
      await hold.awaited();
      const stopped = performance.now();
      running.child.kill('SIGINT');
      const result = await running.result;
      expect(result.code).toBe(130);
      expect(performance.now() - stopped).toBeLessThan(5_000);
      await hold.release();
      const client = await other.client();
      expect(await client.query('SELECT count(*)::int AS rows FROM amazon.customer')).toEqual([
        { rows: 0 },
      ]);
      expect(await readdir(join(cwd, '.reviewops', 'tmp'))).toEqual([]);
    } finally {
      await other.drop();
    }
  });
});
