import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BatchSummary } from '../../src/lake/batch-state.js';
import type { BatchDetails } from '../../src/lake/batches.js';
import { batchLeaseName } from '../../src/lake/layout.js';
import { openLocalLake } from '../../src/lake/local.js';
import type { VerifyResult } from '../../src/lake/verify.js';
import { publishBatch } from '../support/batches.js';
import { runCli } from '../support/cli.js';
import { sandbox } from '../support/sandbox.js';
import { lineFrom, startTask } from '../support/tasks.js';

const complete = '20260131_235959';
const partial = '20260201_000000';
const running = '20260202_000000';

async function project() {
  const cwd = await sandbox();
  const root = join(cwd, '.reviewops', 'data');
  const lake = openLocalLake(root);
  const scratch = join(cwd, 'scratch');
  const run = (...args: string[]) => runCli(['batch', ...args], { cwd });
  return { cwd, root, lake, scratch, run };
}

async function threeBatches() {
  const made = await project();
  await publishBatch(made.lake, complete, made.scratch);
  await publishBatch(made.lake, partial, made.scratch, { layers: ['bronze', 'silver'] });
  await publishBatch(made.lake, running, made.scratch, { layers: ['bronze'] });
  const holder = startTask('hold', ['local', made.root], [batchLeaseName(running)]);
  await lineFrom(holder, 'held');
  return { ...made, holder };
}

describe('batch list', () => {
  test('of nothing says how to make a batch', async () => {
    const { run } = await project();
    expect(await run('list')).toMatchObject({
      code: 0,
      stdout: 'No batch yet. Make one with `reviewops pipeline run`.\n',
    });
    expect((await run('list', '--json')).json()).toEqual({
      status: 0,
      result: { batches: [] },
      warnings: [],
    });
  });

  test('shows the states, newest first; can be cut and filtered', async () => {
    const { run, holder } = await threeBatches();
    try {
      const [text, json, cut, filtered, wrong] = await Promise.all([
        run('list'),
        run('list', '--json'),
        run('list', '--limit', '1', '--json'),
        run('list', '--state', 'partial'),
        run('list', '--state', 'odd', '--json'),
      ]);
      const { batches } = json.json<{ batches: BatchSummary[] }>().result;
      expect(batches.map(({ batchId, state, layers }) => [batchId, state, layers])).toEqual([
        [running, 'running', ['bronze']],
        [partial, 'partial', ['bronze', 'silver']],
        [complete, 'complete', ['bronze', 'silver', 'gold']],
      ]);
      expect(batches[2]).toMatchObject({ rows: 5, createdAt: '2026-01-31T23:59:59.000Z' });
      expect(cut.json<{ batches: BatchSummary[] }>().result.batches).toHaveLength(1);
      const lines = text.stdout.trimEnd().split('\n');
      expect(lines).toHaveLength(4);
      expect(lines[0]).toMatch(/^batch +state +layers +rows +size +created +problem$/);
      expect(lines[2]).toMatch(/^20260201_000000 +partial +bronze silver .* gold is missing$/);
      expect(text.stderr).toBe('');
      expect(filtered.stdout.match(/^2026\S+/gm)).toEqual([partial]);
      expect([wrong.code, wrong.json().status]).toEqual([2, 2]);
    } finally {
      holder.kill('SIGKILL');
    }
  });
});

describe('batch show', () => {
  test('tells what a batch was made from, of and with', async () => {
    const { run, lake, scratch } = await project();
    await publishBatch(lake, complete, scratch);
    const [text, json] = await Promise.all([
      run('show', complete),
      run('show', complete, '--json'),
    ]);
    expect([text.code, json.code]).toEqual([0, 0]);
    for (const part of [
      'reviewops on 127.0.0.1:5432, schema amazon, snapshot of 2026-01-31T23:59:59.000Z at 0/16B3748',
      'rejected   2 by rating',
      `made from  silver/batch=${complete}/manifest.json`,
      'preset     default',
      'review_id rating',
    ]) {
      expect(text.stdout).toContain(part);
    }
    const [batch] = json.json<{ batches: BatchDetails[] }>().result.batches;
    expect(batch).toMatchObject({ batchId: complete, state: 'complete', holder: null });
    expect(batch?.manifests.map(({ layer }) => layer)).toEqual(['bronze', 'silver', 'gold']);
    expect(batch?.manifests[0]?.tables[0]?.files[0]?.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  test.each([
    ['20990101_000000', 'BATCH_NOT_FOUND'],
    ['../../etc', 'BATCH_ID_INVALID'],
  ])('%s ends with 2 and %s', async (id, code) => {
    const { run } = await project();
    const [text, json] = await Promise.all([run('show', id), run('show', id, '--json')]);
    expect([text.code, json.code]).toEqual([2, 2]);
    expect(text).toMatchObject({ stdout: '', stderr: expect.stringContaining(`[${code}]`) });
    expect(json.json().error).toMatchObject({ code, hint: expect.any(String) });
  });
});

describe('batch verify', () => {
  test('ends with 0 for sound batches and with 1 for damaged ones, and says what to do', async () => {
    const { run, lake, scratch, root } = await project();
    await publishBatch(lake, complete, scratch);
    await publishBatch(lake, partial, scratch, { layers: ['bronze'] });
    const sound = await run('verify', '--all', '--json');
    expect(sound.code).toBe(0);
    const results = sound.json<{ batches: VerifyResult[] }>().result.batches;
    expect(
      results.map(({ batchId, state, files, findings }) => [batchId, state, files, findings]),
    ).toEqual([
      [complete, 'complete', 5, []],
      [partial, 'partial', 2, []],
    ]);
    const key = `silver/batch=${complete}/review.parquet`;
    await truncate(join(root, key), 10);
    const [one, all] = await Promise.all([
      run('verify', partial, complete),
      run('verify', '--all', '--json'),
    ]);
    expect([one.code, all.code, all.json().status]).toEqual([1, 1, 1]);
    expect(one.stdout).toMatch(`${key}: it has 10 bytes in place of`);
    expect(one.stdout).toContain(`reviewops pipeline transform --batch-id ${complete}`);
    expect(one.stderr).toContain(`verify ${partial}`);
    const [damaged] = all.json<{ batches: VerifyResult[] }>().result.batches;
    expect(damaged).toMatchObject({ state: 'corrupt', findings: [{ key }] });
  });

  test('needs to know which', async () => {
    const { run } = await project();
    const [none, both] = await Promise.all([run('verify'), run('verify', '--all', complete)]);
    expect([none.code, both.code]).toEqual([2, 2]);
    expect(none.stderr).toContain('[BATCH_UNCLEAR]');
  });
});
