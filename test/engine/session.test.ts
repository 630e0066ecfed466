import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeParquet, parquetSource, writeParquet } from '../../src/engine/parquet.js';
import { openEngine, openEngines } from '../../src/engine/session.js';

let scratch: string;
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'reviewops-engine-'));
});
afterEach(() => rm(scratch, { recursive: true, force: true }));

it('tells the reader of a stream that it was stopped while the reader was busy, and nobody else', async () => {
  const stop = new AbortController();
  const options = { memoryLimit: '256MB', threads: 2, scratch, signal: stop.signal };
  const engine = await openEngine(options);
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', note);
  try {
    const read = async () => {
      for await (const _piece of engine.copyRows(
        [{ expression: "repeat('x', 1000) || range", type: 'text' }],
        'range(500000)',
      )) {
        stop.abort();
        // As a database that takes its time does: node tells of unhandled rejections meanwhile.
        await delay(20);
      }
    };
    await expect(read()).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', note);
    await engine.close();
  }
});

it('reads the file that is named, whatever is in its name', async () => {
  const { signal } = new AbortController();
  const engine = await openEngine({ memoryLimit: '256MB', threads: 2, scratch, signal });
  try {
    const named = ['data[1].parquet', 'data1.parquet', 'd*.parquet', 'd?ta1.parquet'];
    for (const [index, name] of named.entries())
      await writeParquet(engine, `SELECT unnest(range(${index + 1})) AS n`, join(scratch, name));
    for (const [index, name] of named.entries()) {
      const path = join(scratch, name);
      const [row] = await engine.rows(`SELECT count(*) AS rows FROM ${parquetSource([path])}`);
      const { rows, ranges } = await describeParquet(engine, path, ['n']);
      expect([row, rows, ranges.n?.max]).toEqual([{ rows: index + 1 }, index + 1, `${index}`]);
    }
  } finally {
    await engine.close();
  }
});

it('shares threads and memory among sessions, and ends when the last one is closed', async () => {
  const { signal } = new AbortController();
  const options = { memoryLimit: '256MB', threads: 3, scratch, signal };
  const [first, second] = await openEngines({ ...options, file: join(scratch, 'shared.db') }, 2);
  if (first === undefined || second === undefined) throw new Error('Two sessions were asked for.');
  try {
    // One of the two that work while they wait, and one that helps both.
    expect(await second.rows("SELECT current_setting('threads') AS threads")).toEqual([
      { threads: 2 },
    ]);
    await first.run('CREATE TABLE shared AS SELECT 7 AS n');
    await first.close();
    expect(await second.rows('SELECT n FROM shared')).toEqual([{ n: 7 }]);
  } finally {
    await second.close();
  }
  // Who ends properly leaves one file.
  expect(await readdir(scratch)).toEqual(['shared.db']);
});
