import { readdir, rm, truncate } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { startCli } from '../support/cli.js';
import { batchId, PipelineCommand, published } from '../support/pipeline-command.js';

describe('the pipeline as a command names what is broken', () => {
  const command = new PipelineCommand();

  it('a manifest cut short', async () => {
    expect((await command.run('pipeline', 'run', '--batch-id', batchId)).code).toBe(0);
    await truncate(command.file('silver', 'manifest.json'), 100);
    const { code, json } = await command.run('pipeline', 'model', '--batch-id', batchId);
    expect([code, json().error.code]).toEqual([1, 'MANIFEST_CORRUPT']);
    expect(json().error.message).toContain('silver');
    expect(await command.facts()).toBe(published);
    const listed = await command.run('batch', 'list');
    expect(listed.json<{ batches: { state: string }[] }>().result.batches[0]?.state).toBe(
      'corrupt',
    );
    await command.complete();
  });

  it('a file that is gone', async () => {
    expect((await command.run('pipeline', 'run', '--batch-id', batchId)).code).toBe(0);
    const [name = ''] = (await readdir(command.file('gold', ''))).filter((n) =>
      n.endsWith('.parquet'),
    );
    await rm(command.file('gold', name));
    const { code, json } = await command.run('pipeline', 'load', '--batch-id', batchId);
    expect([code, json().error.code]).toEqual([1, 'OBJECT_NOT_FOUND']);
    expect(json().error.hint).toContain(`reviewops batch verify ${batchId}`);
    expect(await command.facts()).toBe(published);
  });

  it('a column that was renamed', async () => {
    await command.client.execute('ALTER TABLE amazon.review RENAME COLUMN helpful_votes TO votes');
    try {
      const { code, json } = await command.run('pipeline', 'run');
      expect([code, json().error.code]).toEqual([2, 'COLUMN_NOT_FOUND']);
      expect(json().error.message).toMatch(/helpful_votes/);
      expect(json().error.message + json().error.hint).toMatch(/source\.entities\.review/);
    } finally {
      await command.client.execute(
        'ALTER TABLE amazon.review RENAME COLUMN votes TO helpful_votes',
      );
    }
  });

  it('a table that was dropped', async () => {
    await command.client.execute('ALTER TABLE amazon.review_images RENAME TO gone');
    try {
      const { code, json } = await command.run('pipeline', 'run');
      expect([code, json().error.code]).toEqual([2, 'TABLE_NOT_FOUND']);
      expect(json().error.message).toContain('review_images');
    } finally {
      await command.client.execute('ALTER TABLE amazon.gone RENAME TO review_images');
    }
  });

  it('a database that goes away in the middle', async () => {
    const hold = await command.holdReviews();
    const running = startCli(
      ['pipeline', 'run', '--batch-id', batchId, '--json'],
      command.options(),
    );
    await hold.awaited();
    await command.client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'reviewops extract%' AND datname = current_database()",
    );
    const { code, json } = await running.result;
    await hold.release();
    expect([code, json().error.code]).toEqual([5, 'DATABASE_UNREACHABLE']);
    expect(json().error.hint).toMatch(/--batch-id 20260102_030405 --from/);
    await command.complete();
  });
});
