import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatabaseClient } from '../../src/database/client.js';
import { copyIn } from '../../src/database/copy.js';
import {
  type CopyField,
  type CopyType,
  copyHeader,
  copyTrailer,
} from '../../src/engine/copy-binary.js';
import { type Engine, literal, openEngine } from '../../src/engine/session.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const columns: Record<string, { type: CopyType; engineType: string }> = {
  t: { type: 'text', engineType: 'VARCHAR' },
  s: { type: 'smallint', engineType: 'SMALLINT' },
  i: { type: 'integer', engineType: 'INTEGER' },
  b: { type: 'boolean', engineType: 'BOOLEAN' },
  z: { type: 'timestamptz', engineType: 'TIMESTAMPTZ' },
  d: { type: 'double precision', engineType: 'DOUBLE' },
};
const names = Object.keys(columns);

const orNull = <T>(values: fc.Arbitrary<T>) => fc.option(values, { freq: 4 });
// What the source can hold: any character but NUL, times to the microsecond, infinities.
const row = fc.record({
  t: orNull(fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', ''))),
  s: orNull(fc.integer({ min: -32768, max: 32767 })),
  i: orNull(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
  b: orNull(fc.boolean()),
  z: orNull(
    fc.oneof(
      fc.integer({ min: -62_000_000_000_000_000, max: 253_000_000_000_000_000 }),
      fc.constantFrom('infinity', '-infinity'),
    ),
  ),
  d: orNull(fc.double({ noNaN: true })),
});
type Row = typeof row extends fc.Arbitrary<infer T> ? T : never;

let database: TestDatabase;
let client: DatabaseClient;
let engine: Engine;
let scratch: string;

beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
  client = await database.client();
  scratch = await mkdtemp(join(tmpdir(), 'reviewops-copy-binary-'));
  engine = await openEngine({
    memoryLimit: '256MB',
    threads: 2,
    scratch,
    signal: new AbortController().signal,
  });
  await client.execute(
    `CREATE TABLE received (${names.map((name) => `${name} ${columns[name]?.type}`).join(', ')})`,
  );
});

afterAll(async () => {
  await engine.close();
  await database.drop();
  await rm(scratch, { recursive: true, force: true });
});

async function* document(fields: readonly CopyField[], from: string): AsyncIterable<Uint8Array> {
  yield copyHeader;
  for await (const piece of engine.copyRows(fields, from)) yield piece.bytes;
  yield copyTrailer;
}

const fields = names.map((name) => ({ expression: name, type: columns[name]?.type ?? 'text' }));

/** Sends rows through the engine, and gives what the database holds then. */
async function roundTrip(rows: readonly Row[]): Promise<unknown[]> {
  const value = (one: Row, name: keyof Row): string => {
    const given = one[name];
    if (given === null) return 'NULL';
    if (name === 'z') {
      return typeof given === 'number' ? `make_timestamptz(${given})` : `TIMESTAMPTZ '${given}'`;
    }
    if (name === 't') return literal(`${given}`);
    return name === 'd' ? `'${Object.is(given, -0) ? '-0.0' : given}'::DOUBLE` : `${given}`;
  };
  await engine.run(
    `CREATE OR REPLACE TABLE sent AS SELECT * FROM (VALUES ${rows
      .map((one) => `(${names.map((name) => value(one, name as keyof Row)).join(', ')})`)
      .join(', ')}) AS given (${names.join(', ')})`,
  );
  for (const name of names) {
    await engine.run(`ALTER TABLE sent ALTER ${name} TYPE ${columns[name]?.engineType}`);
  }
  await client.execute('TRUNCATE received');
  const { rows: taken } = await copyIn(
    client,
    'COPY received FROM STDIN (FORMAT binary)',
    document(fields, 'sent'),
  );
  expect(taken).toBe(rows.length);
  return client.query(
    `SELECT t, s, i, b, d::text AS d,
            CASE WHEN isfinite(z) THEN (extract(epoch FROM z) * 1000000)::bigint::text ELSE z::text END AS z
     FROM received`,
  );
}

const shown = (one: Row) => ({
  ...one,
  z: one.z === null ? null : String(one.z),
  d: one.d === null ? null : Object.is(one.d, -0) ? '-0' : one.d,
});

const comparable = (rows: readonly unknown[]) =>
  rows.map((one) => JSON.stringify(one, Object.keys(columns))).sort();

describe('copyRows', () => {
  it('arrives in the database as it was, whatever the values', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 40 }), async (rows) => {
        const received = (await roundTrip(rows)) as Record<string, unknown>[];
        const asNumbers = received.map((one) => ({
          ...one,
          d: one.d === null ? null : one.d === '-0' ? '-0' : Number(one.d),
        }));
        expect(comparable(asNumbers)).toEqual(comparable(rows.map(shown)));
      }),
      { numRuns: 25 },
    );
  });

  it('takes short texts and long ones, which the engine keeps apart', async () => {
    await client.execute('CREATE TABLE lengths (i integer, t text)');
    const text = "repeat(chr(65 + i % 26), i * i % 40) || CASE WHEN i % 7 = 0 THEN 'é' ELSE '' END";
    await copyIn(
      client,
      'COPY lengths FROM STDIN (FORMAT binary)',
      document(
        [
          { expression: 'i', type: 'integer' },
          { expression: 't', type: 'text' },
        ],
        `(SELECT i, ${text} AS t FROM (SELECT CAST(range AS INTEGER) AS i FROM range(20000)))`,
      ),
    );
    const [found] = await client.query(
      `SELECT count(*)::integer AS rows, count(*) FILTER (WHERE t = ${text})::integer AS equal FROM lengths`,
    );
    expect(found).toEqual({ rows: 20_000, equal: 20_000 });
  });

  it('sends rows larger than a piece, in order', async () => {
    await client.execute('CREATE TABLE long_texts (t text)');
    await engine.run(
      `CREATE TABLE long_source AS SELECT repeat(chr(65 + i), 700000 * (i + 1)) AS t FROM (SELECT i::INTEGER AS i FROM range(4) AS r(i))`,
    );
    const { rows } = await copyIn(
      client,
      'COPY long_texts FROM STDIN (FORMAT binary)',
      document([{ expression: 't', type: 'text' }], 'long_source'),
    );
    expect(rows).toBe(4);
    expect(
      await client.query('SELECT left(t, 1) AS t, length(t) AS n FROM long_texts ORDER BY n'),
    ).toEqual([0, 1, 2, 3].map((i) => ({ t: 'ABCD'[i], n: 700000 * (i + 1) })));
  });

  it('sends no rows', async () => {
    const { rows } = await copyIn(
      client,
      'COPY long_texts FROM STDIN (FORMAT binary)',
      document([{ expression: 't', type: 'text' }], "(SELECT 'x' AS t WHERE false)"),
    );
    expect(rows).toBe(0);
  });
});

describe('streams', () => {
  it('tells what the engine says when the query fails midway', async () => {
    const text = "CASE WHEN i = 900000 THEN error('broken here') ELSE 'x' END";
    const from = 'range(1000000) AS r(i)';
    for (const stream of [
      engine.copyRows([{ expression: text, type: 'text' }], from),
      engine.batches(`SELECT ${text} AS x FROM ${from}`),
    ]) {
      const consume = async () => {
        for await (const _ of stream);
      };
      await expect(consume()).rejects.toMatchObject({
        code: 'ENGINE_FAILED',
        message: expect.stringContaining('broken here'),
      });
    }
  });

  it('leaves the session usable when the reader goes away', async () => {
    const field = { expression: "repeat('x', 1000)", type: 'text' as const };
    for await (const piece of engine.copyRows([field], 'range(100000) AS r(i)')) {
      expect(piece.bytes.length).toBe(piece.rows * 1006);
      break;
    }
    expect(await engine.rows('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });
});
