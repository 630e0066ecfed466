import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli, startCli } from '../support/cli.js';
import { batchId, PipelineCommand, type RunResult } from '../support/pipeline-command.js';

describe('the pipeline as a command', () => {
  const command = new PipelineCommand();

  it('leads from the source to the best review and its explanation', async () => {
    const { code, json, stderr } = await command.run('pipeline', 'run');
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
    const best = await command.run('product', 'best', 'P7');
    const { reviewId, score } = best.json<{ reviewId: string; score: number }>().result;
    const why = await command.run('review', 'explain', reviewId);
    const { components, rank } = why.json<{ components: { points: number }[]; rank: number }>()
      .result;
    expect(rank).toBe(1);
    expect(components.reduce((sum, { points }) => sum + points, 0)).toBeCloseTo(score, 6);
    const status = await command.run('pipeline', 'status');
    expect(status.json<{ runs: object[] }>().result.runs[0]).toMatchObject({
      batchId: result.batchId,
      status: 'succeeded',
    });
  });

  it('says nothing on stderr under --quiet, and plain lines without a terminal', async () => {
    const quiet = await runCli(['pipeline', 'extract', '--quiet'], command.options());
    expect([quiet.code, quiet.stderr]).toEqual([0, expect.not.stringMatching(/extract/)]);
    const plain = await runCli(['pipeline', 'extract'], command.options());
    expect(plain.stderr).toMatch(/extract/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape that redraws a line
    expect(plain.stderr).not.toMatch(/[\u001b\r]/);
  });

  it('refuses the same batch twice at once with the name of its owner', async () => {
    const hold = await command.holdFacts();
    const first = startCli(['pipeline', 'run', '--batch-id', batchId, '--json'], command.options());
    await command.begun('extract');
    const second = await command.run('pipeline', 'run', '--batch-id', batchId);
    expect(second.code).toBe(3);
    expect(second.json().error).toMatchObject({
      code: 'LEASE_HELD',
      message: expect.stringMatching(new RegExp(`\\(pid ${first.child.pid}\\)`)),
    });
    await hold.release();
    expect((await first.result).code).toBe(0);
  });

  describe('names what is broken', () => {
    it('a corrupt Parquet part', async () => {
      expect(
        (await command.run('pipeline', 'run', '--batch-id', batchId, '--to', 'extract')).code,
      ).toBe(0);
      const [name = ''] = (await readdir(command.file('bronze', ''))).filter((n) =>
        n.startsWith('review.'),
      );
      const bytes = await readFile(command.file('bronze', name));
      bytes.fill(0x5a, 100, bytes.length - 5000);
      await writeFile(command.file('bronze', name), bytes);
      const { code, json } = await command.run(
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
      const verified = await command.run('batch', 'verify', batchId);
      expect(verified.code).toBe(1);
      expect(verified.stdout).toContain(name);
      await command.complete();
    });

    it('a database that is not there', async () => {
      const { code, json, stderr } = await runCli(['pipeline', 'run', '--json'], {
        ...command.options(),
        env: { NEON_DB_URL: 'postgresql://ops:s3cret-word@127.0.0.1:1/none' },
      });
      expect([code, json().error.code]).toEqual([5, 'DATABASE_UNREACHABLE']);
      expect(JSON.stringify(json()) + stderr).not.toContain('s3cret-word');
    });

    it('a batch that does not exist, and an id that is none', async () => {
      const unknown = await command.run('pipeline', 'load', '--batch-id', batchId);
      expect([unknown.code, unknown.json().error.code]).toEqual([2, 'BATCH_NOT_FOUND']);
      const malformed = await command.run('pipeline', 'load', '--batch-id', '../x');
      expect([malformed.code, malformed.json().error.code]).toEqual([2, 'BATCH_ID_INVALID']);
      const none = await command.run('pipeline', 'extract', '--tables', ' ,');
      expect([none.code, none.json().error.code]).toEqual([2, 'USAGE_ERROR']);
      const mistyped = await command.run('pipeline', 'extract', '--tables', 'reviw');
      expect([mistyped.code, mistyped.json().error.code]).toEqual([2, 'TABLE_NOT_SELECTED']);
      // Nor is it an incident.
      expect(mistyped.stderr).not.toContain('ncident');
    });
  });

  it('keeps customer ids and secrets out of logs, silver, gold and output', async () => {
    const key = createHash('sha256').update('e2e').digest('base64url');
    const { stdout, stderr } = await runCli(['pipeline', 'run', '--batch-id', batchId, '--json'], {
      ...command.options(),
      env: { NEON_DB_URL: command.target.url, REVIEWOPS_PSEUDONYM_KEY: key },
    });
    const password = decodeURIComponent(new URL(command.target.url).password);
    const data = join(command.directory, '.reviewops', 'data');
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
