import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeParquet, writeParquet } from '../../src/engine/parquet.js';
import { readRowsAndColumns } from '../../src/engine/parquet-footer.js';
import { type Engine, openEngine } from '../../src/engine/session.js';

let place: string;
let engine: Engine;

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'reviewops-footer-'));
  const { signal } = new AbortController();
  engine = await openEngine({ memoryLimit: '128MB', threads: 1, scratch: place, signal });
});
afterAll(async () => {
  await engine.close();
  await rm(place, { recursive: true, force: true });
});

it.each([
  ['no rows', 'SELECT 1 AS a WHERE false'],
  ['several row groups', 'SELECT i AS a, i::VARCHAR AS b FROM range(300000) r(i)'],
  [
    'nested columns',
    "SELECT [1, 2] AS l, {'x': 1, 'y': ['a']} AS s, MAP {'k': {'z': 1}} AS m, 2.5::DECIMAL(9, 2) AS d, TIMESTAMPTZ '2026-01-01' AS t, true AS flag",
  ],
  [
    'many columns',
    `SELECT ${Array.from({ length: 40 }, (_, i) => `${i} AS "c é ${i}"`).join(', ')}`,
  ],
])('says of %s what the engine says', async (name, select) => {
  const path = join(place, `${name}.parquet`);
  await writeParquet(engine, select, path);
  const described = await describeParquet(engine, path);
  expect(await readRowsAndColumns(path)).toEqual({
    rows: described.rows,
    columns: described.columns.map((column) => column.name),
  });
});

it('refuses a file wherever it is cut short or overwritten', async () => {
  const path = join(place, 'whole.parquet');
  await writeParquet(engine, 'SELECT i AS a FROM range(10) r(i)', path);
  const whole = await readFile(path);
  const broken = join(place, 'broken.parquet');
  for (let length = 0; length < whole.length; length += 7) {
    await writeFile(broken, whole.subarray(0, length));
    await expect(readRowsAndColumns(broken), `${length} bytes`).rejects.toThrow(/^it|^the marks/);
  }
  await writeFile(
    broken,
    Buffer.concat([whole.subarray(0, -8), Buffer.from([255, 255, 255, 255]), whole.subarray(-4)]),
  );
  await expect(readRowsAndColumns(broken)).rejects.toThrow('impossible length');
});
