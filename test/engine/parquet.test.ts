import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  describeParquet,
  describeQuery,
  writeParquet,
  writeParquetParts,
} from '../../src/engine/parquet.js';
import { type Engine, openEngine } from '../../src/engine/session.js';

let directory: string;
let engine: Engine;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reviewops-parquet-'));
  engine = await openEngine({
    memoryLimit: '256MB',
    threads: 2,
    scratch: directory,
    signal: new AbortController().signal,
  });
});

afterAll(async () => {
  await engine.close();
  await rm(directory, { recursive: true, force: true });
});

/** Expressions of the row's number `i`, signed and out of order, by what they try. */
const columns: Record<string, string> = {
  tiny: 'CAST(i % 100 AS TINYINT)',
  small: 'CAST(i % 30000 AS SMALLINT)',
  integer: 'CAST(i AS INTEGER)',
  bigint: 'i * 1000000000000',
  decimal: 'CAST(i AS DECIMAL(18, 4)) / 7',
  'wide decimal': 'CAST(i AS DECIMAL(38, 9))',
  text: "'é' || CAST(i AS VARCHAR)",
  'text beyond what statistics hold': "repeat('x', CASE WHEN i = -5 THEN 20000 ELSE 1 END)",
  'text that statistics cut': "CASE WHEN i = -5 THEN 'b' || repeat('é', 200) ELSE 'a' || i END",
  'text that statistics cut below':
    "CASE WHEN i = -5 THEN 'A' || repeat('é', 200) ELSE 'a' || i END",
  'text that they only just hold': "CASE WHEN i = -5 THEN repeat('z', 256) ELSE 'a' || i END",
  'text beyond ASCII':
    "CASE WHEN i = -5 THEN repeat('z', 300) ELSE chr(CAST(65 + abs(i) % 900 AS INTEGER)) END",
  'empty text': "CASE WHEN i % 2 = 0 THEN '' ELSE ' ' END",
  'a "quoted" name': 'CAST(i AS VARCHAR)',
  null: 'CAST(NULL AS VARCHAR)',
  'mostly null': 'CASE WHEN i = -7 THEN CAST(i AS INTEGER) END',
  uuid: 'CAST(md5(CAST(i AS VARCHAR)) AS UUID)',
  boolean: 'i % 2 = 0',
  date: "DATE '2000-01-01' + CAST(i AS INTEGER)",
  'infinite date': "CASE WHEN i % 2 = 0 THEN DATE 'infinity' ELSE DATE '-infinity' END",
  timestamp: "TIMESTAMP '2000-01-01 00:00:00.123456' + to_seconds(i)",
  'infinite timestamp':
    "CASE WHEN i % 2 = 0 THEN TIMESTAMP 'infinity' ELSE TIMESTAMP '1999-01-01' END",
  'date before Christ': "DATE '4714-11-24 (BC)' + CAST(abs(i) AS INTEGER)",
  'timestamp before Christ':
    "TIMESTAMP '0044-03-15 (BC) 00:00:00.000001' + to_days(CAST(i AS INTEGER))",
  'timestamptz before Christ':
    "TIMESTAMPTZ '0044-03-15 (BC) 00:00:00+00' + to_days(CAST(i AS INTEGER))",
  timestamptz: "TIMESTAMPTZ '2000-01-01 00:00:00+00' + to_hours(i)",
  time: "TIME '10:00:00' + to_seconds(abs(i) % 1000)",
  float: 'CAST(i AS FLOAT) / 3',
  double: "CASE WHEN i = -3 THEN 'NaN' ELSE i / 3 END::DOUBLE",
  blob: 'encode(CAST(i AS VARCHAR))',
};

const selectOf = (rows: number): string =>
  `SELECT ${Object.entries(columns)
    .map(([name, expression]) => `${expression} AS "${name.replaceAll('"', '""')}"`)
    .join(
      ', ',
    )} FROM (SELECT CASE WHEN n % 2 = 0 THEN n ELSE -n END AS i FROM range(${rows}) r(n))`;

describe.each([0, 1, 10, 300_000])('of %i rows', (rows) => {
  test('a written file is as a query of it tells', async () => {
    const path = join(directory, `${rows}.parquet`);
    const described = await describeQuery(engine, selectOf(rows));
    const written = await writeParquet(engine, selectOf(rows), path, described);
    const { columns: found, ...extent } = await describeParquet(engine, path, Object.keys(columns));
    expect(written).toMatchObject(extent);
    expect(written.rows).toBe(rows);
    expect(found).toEqual(described);
  });
});

test.each([0, 600_000])('so are several, of %i rows', async (rows) => {
  const select = `SELECT i, repeat('text' || i, 10) AS t FROM range(${rows}) r(i)`;
  const written = await writeParquetParts(engine, select, join(directory, `parts-${rows}`), {
    fileSize: '1MB',
    rangeColumns: [{ name: 'i', type: 'BIGINT' }],
  });
  expect(written.reduce((sum, file) => sum + file.rows, 0)).toBe(rows);
  expect(written.length > 1).toBe(rows > 0);
  for (const { path, ...extent } of written) {
    expect(await describeParquet(engine, path, ['i'])).toMatchObject(extent);
  }
});
