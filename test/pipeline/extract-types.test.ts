import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatabaseClient } from '../../src/database/client.js';
import { describeParquet } from '../../src/engine/parquet.js';
import { literal } from '../../src/engine/session.js';
import { extract } from '../../src/pipeline/extract/extract.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { settingsWith } from '../support/extract.js';
import { type StageWorld, stageWorlds } from '../support/stage.js';

const batch = '20260101_000000';

let database: TestDatabase;
let client: DatabaseClient;
const makeWorld = stageWorlds();

beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.client();
});

afterAll(async () => {
  await database.drop();
});

interface Extracted {
  world: StageWorld;
  columns: Record<string, string>;
  rows: Record<string, string | null>[];
}

/** Extracts one table; its values as the engine shows them as text, by `id`. */
async function extractTable(table: string, pipeline: object = {}): Promise<Extracted> {
  const world = await makeWorld({
    settings: settingsWith([table], pipeline),
    database: database.target,
  });
  await extract(world.context, batch, { tables: [table] });
  const manifest = await world.manifest('bronze', batch);
  const [found] = manifest.tables;
  const columns = Object.fromEntries((found?.columns ?? []).map(({ name, type }) => [name, type]));
  const files = await Promise.all(
    (found?.files ?? []).map((file) => world.context.lake.fetch(file.key, world.context.scratch)),
  );
  // What the manifest says of the columns is what the files say.
  for (const { path } of files) {
    expect((await describeParquet(world.engine, path)).columns).toEqual(found?.columns);
  }
  const rows = await world.engine.rows<Record<string, string | null>>(
    `SELECT CAST(COLUMNS(*) AS VARCHAR) FROM read_parquet([${files.map(({ path }) => literal(path)).join(', ')}], hive_partitioning = false)`,
  );
  const order = new Intl.Collator('en', { numeric: true });
  rows.sort((a, b) => order.compare(a.id ?? '~', b.id ?? '~'));
  return { world, columns, rows };
}

const warnings = (world: StageWorld): string[] =>
  world.events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));

interface Case {
  postgres: string;
  parquet: string;
  /** SQL of PostgreSQL, and what the engine shows of it; null for NULL. */
  values: [sql: string, shown: string | null][];
}

const same = (...values: string[]): Case['values'] =>
  values.map((value) => [`'${value.replaceAll("'", "''")}'`, value]);

const cases: Record<string, Case> = {
  smallint: { postgres: 'smallint', parquet: 'SMALLINT', values: same('-32768', '32767') },
  integer: { postgres: 'integer', parquet: 'INTEGER', values: same('-2147483648', '2147483647') },
  bigint: {
    postgres: 'bigint',
    parquet: 'BIGINT',
    values: same('-9223372036854775808', '9223372036854775807'),
  },
  boolean: { postgres: 'boolean', parquet: 'BOOLEAN', values: same('true', 'false') },
  real: {
    postgres: 'real',
    parquet: 'FLOAT',
    values: [
      ["'NaN'", 'nan'],
      ["'Infinity'", 'inf'],
      ["'-Infinity'", '-inf'],
      ["'3.4028235e+38'", '3.4028235e+38'],
      ["'1e-45'", '1e-45'],
      ["'0.1'", '0.1'],
    ],
  },
  double: {
    postgres: 'double precision',
    parquet: 'DOUBLE',
    values: [
      ["'NaN'", 'nan'],
      ["'-Infinity'", '-inf'],
      ["'1.7976931348623157e+308'", '1.7976931348623157e+308'],
      ["'5e-324'", '5e-324'],
      ["'0.30000000000000004'", '0.30000000000000004'],
      ["'-0'", '-0.0'],
    ],
  },
  decimal: {
    postgres: 'numeric(12,2)',
    parquet: 'DECIMAL(12,2)',
    values: same('-9999999999.99', '0.01'),
  },
  decimal_widest: {
    postgres: 'numeric(38,10)',
    parquet: 'DECIMAL(38,10)',
    values: same('9999999999999999999999999999.9999999999', '-0.0000000001'),
  },
  decimal_negative_scale: {
    postgres: 'numeric(2,-3)',
    parquet: 'DECIMAL(5,0)',
    values: same('99000', '-1000'),
  },
  decimal_small: {
    postgres: 'numeric(2,4)',
    parquet: 'DECIMAL(4,4)',
    values: [
      ['0.0099', '.0099'],
      ['-0.0001', '-.0001'],
    ],
  },
  unbounded: {
    postgres: 'numeric',
    parquet: 'DECIMAL(38,16)',
    values: [
      ["'19.989999999999998'", '19.9899999999999980'],
      ["'1234567890123456789012.0000000000000001'", '1234567890123456789012.0000000000000001'],
    ],
  },
  text: {
    postgres: 'text',
    parquet: 'VARCHAR',
    values: [
      ["''", ''],
      ["'NULL'", 'NULL'],
      ["E'\\\\N'", '\\N'],
      ["E'\\\\.'", '\\.'],
      ["E'\\\\n is not a line end'", '\\n is not a line end'],
      ["E'\\\\\\n'", '\\\n'],
      ["E'back\\\\slash \\\\\\\\ twice'", 'back\\slash \\\\ twice'],
      ["E'tab\\tquote\\\"comma,apostrophe'''", 'tab\tquote"comma,apostrophe\''],
      ["E'two\\r\\nlines\\n'", 'two\r\nlines\n'],
      ["E'\\b\\f\\v\\x01\\x7f'", '\b\f\v\x01\x7f'],
      ["'żółć 日本語 🦆 é ﷽'", 'żółć 日本語 🦆 é ﷽'],
      ["' blanks '", ' blanks '],
    ],
  },
  varchar: { postgres: 'varchar(20)', parquet: 'VARCHAR', values: same('B000ABC', '') },
  char: { postgres: 'char(10)', parquet: 'VARCHAR', values: same('B000ABC') },
  char_code: { postgres: '"char"', parquet: 'VARCHAR', values: same('S') },
  name: { postgres: 'name', parquet: 'VARCHAR', values: same('pg_class') },
  date: {
    postgres: 'date',
    parquet: 'DATE',
    values: [
      ...same('0001-01-01', '2024-02-29', '9999-12-31', '5874897-12-31', 'infinity', '-infinity'),
      ["'0044-03-15 BC'", '0044-03-15 (BC)'],
      ["'4714-11-24 BC'", '4714-11-24 (BC)'],
    ],
  },
  timestamp: {
    postgres: 'timestamp',
    parquet: 'TIMESTAMP',
    values: [
      ...same('0001-01-01 00:00:00', '2024-02-29 23:59:59.999999', 'infinity', '-infinity'),
      ["'0044-03-15 23:59:59.999999 BC'", '0044-03-15 (BC) 23:59:59.999999'],
      ["'4714-11-24 00:00:00 BC'", '4714-11-24 (BC) 00:00:00'],
    ],
  },
  timestamptz: {
    postgres: 'timestamptz',
    parquet: 'TIMESTAMP WITH TIME ZONE',
    values: [
      ["'2024-06-01 12:00:00.5+05:30'", '2024-06-01 06:30:00.5+00'],
      ["'infinity'", 'infinity'],
      ["'12024-01-01 00:00:00+00'", '12024-01-01 00:00:00+00'],
      ["'4714-11-24 00:00:00.000001+00 BC'", '4714-11-24 (BC) 00:00:00.000001+00'],
    ],
  },
  time: {
    postgres: 'time',
    parquet: 'TIME',
    values: same('00:00:00', '23:59:59.999999', '24:00:00'),
  },
  uuid: {
    postgres: 'uuid',
    parquet: 'UUID',
    values: same('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
  },
  bytea: {
    postgres: 'bytea',
    parquet: 'BLOB',
    values: [
      ["''", ''],
      ["'\\x005c0a0d09ff41'", '\\x00\\x5C\\x0A\\x0D\\x09\\xFFA'],
    ],
  },
  json: {
    postgres: 'json',
    parquet: 'VARCHAR',
    values: same('{"b": 1, "a":  "x\\ny", "a": "\\\\"}', 'null', '[]'),
  },
  jsonb: { postgres: 'jsonb', parquet: 'VARCHAR', values: same('{"a": 2, "b": "\\t\\""}') },
  integers: {
    postgres: 'integer[]',
    parquet: 'VARCHAR',
    values: [
      ["'{{1,2},{3,NULL}}'", '[[1,2],[3,null]]'],
      ["'{}'", '[]'],
    ],
  },
  texts: {
    postgres: 'text[]',
    parquet: 'VARCHAR',
    values: [["ARRAY['a,\"b\\', NULL, E'\\n']", '["a,\\"b\\\\",null,"\\n"]']],
  },
  mood: { postgres: 'amazon.mood', parquet: 'VARCHAR', values: same('so so', 'good') },
  price: { postgres: 'amazon.price', parquet: 'DECIMAL(8,3)', values: same('1.250', '99999.999') },
  note: { postgres: 'amazon.note', parquet: 'VARCHAR', values: same('a domain over a domain') },
  interval: { postgres: 'interval', parquet: 'VARCHAR', values: same('P1Y2M3DT4H5M6.7S') },
  range: { postgres: 'int4range', parquet: 'VARCHAR', values: same('[1,5)', 'empty') },
  inet: { postgres: 'inet', parquet: 'VARCHAR', values: same('10.0.0.1', '::1/64') },
  point: { postgres: 'point', parquet: 'VARCHAR', values: same('(1.5,-2)') },
  composite: { postgres: 'amazon.pair', parquet: 'VARCHAR', values: same('(1,"a b")') },
  bits: { postgres: 'bit varying', parquet: 'VARCHAR', values: same('0101') },
};

describe('types', () => {
  it('carries every type there and back without loss, and NULL as NULL', async () => {
    await client.execute(`
      SET search_path = amazon;
      CREATE TYPE mood AS ENUM ('so so', 'good');
      CREATE TYPE pair AS (a integer, b text);
      CREATE DOMAIN price AS numeric(8,3) CHECK (value >= 0);
      CREATE DOMAIN short AS varchar(40);
      CREATE DOMAIN note AS short NOT NULL DEFAULT '';
      RESET search_path`);
    const names = Object.keys(cases);
    await client.execute(
      `CREATE TABLE amazon.types (id integer PRIMARY KEY, ${names
        .map((name) => `"${name}" ${cases[name]?.postgres}`)
        .join(', ')}, doubled integer GENERATED ALWAYS AS (integer / 2 * 2) STORED)`,
    );
    // A domain that refuses NULL cannot show one.
    await client.execute('ALTER DOMAIN amazon.note DROP NOT NULL');
    const count = Math.max(...names.map((name) => cases[name]?.values.length ?? 0)) + 1;
    for (let id = 0; id < count; id += 1) {
      const values = names.map((name) => cases[name]?.values[id]?.[0] ?? 'NULL');
      await client.execute(`INSERT INTO amazon.types VALUES (${id}, ${values.join(', ')})`);
    }
    const { world, columns, rows } = await extractTable('types');
    expect(columns).toEqual({
      id: 'INTEGER',
      ...Object.fromEntries(names.map((name) => [name, cases[name]?.parquet])),
      doubled: 'INTEGER',
    });
    for (const name of names) {
      const shown = Array.from({ length: count }, (_, id) => cases[name]?.values[id]?.[1] ?? null);
      expect([name, ...rows.map((row) => row[name])]).toEqual([name, ...shown]);
    }
    expect(rows[0]?.doubled).toBe('-2147483648');
    expect(warnings(world)).toEqual([]);
  });

  it('keeps a column as text, with a warning, when its type has no equal for a value', async () => {
    await client.execute(`
      CREATE TABLE amazon.odd (id integer PRIMARY KEY, price numeric(12,2), born date,
        seen timestamptz, latest timestamp, plain numeric, wide numeric(50,5), fine numeric(4,1));
      INSERT INTO amazon.odd VALUES
        (1, 'NaN', '0044-03-15 BC', '294276-12-31 00:00:00+00', '294276-12-31', 'NaN', 1.5, 1.5),
        (2, 1.25, '2024-01-01', '0001-01-01 00:00:00+00 BC', NULL, 'Infinity', NULL, NULL)`);
    const { world, columns, rows } = await extractTable('odd');
    expect(columns).toEqual({
      id: 'INTEGER',
      price: 'VARCHAR',
      born: 'DATE',
      seen: 'VARCHAR',
      latest: 'VARCHAR',
      plain: 'VARCHAR',
      wide: 'VARCHAR',
      fine: 'DECIMAL(4,1)',
    });
    expect(rows).toEqual([
      {
        id: '1',
        price: 'NaN',
        born: '0044-03-15 (BC)',
        seen: '294276-12-31 00:00:00+00',
        latest: '294276-12-31 00:00:00',
        plain: 'NaN',
        wide: '1.50000',
        fine: '1.5',
      },
      {
        id: '2',
        price: '1.25',
        born: '2024-01-01',
        seen: '0001-01-01 00:00:00+00 BC',
        latest: null,
        plain: 'Infinity',
        wide: null,
        fine: null,
      },
    ]);
    const said = warnings(world).join('\n');
    for (const name of ['price', 'seen', 'latest', 'plain', 'wide']) {
      expect(said).toContain(`"${name}"`);
    }
    expect(said).not.toContain('"fine"');
    expect(said).not.toContain('"born"');
  });

  it('gives a table without rows its columns, and unbounded numerics without values a type', async () => {
    await client.execute('CREATE TABLE amazon.nothing (id integer PRIMARY KEY, n numeric, t text)');
    const { world, columns, rows } = await extractTable('nothing');
    expect(columns).toEqual({ id: 'INTEGER', n: 'DECIMAL(38,0)', t: 'VARCHAR' });
    expect(rows).toEqual([]);
    const [table] = (await world.manifest('bronze', batch)).tables;
    expect(table?.files.map(({ key, rows: count }) => [key, count])).toEqual([
      ['bronze/batch=20260101_000000/nothing.parquet', 0],
    ]);
  });

  it('keeps empty texts of a table with one column', async () => {
    await client.execute(`CREATE TABLE amazon.single (id text);
      INSERT INTO amazon.single VALUES (''), (NULL), (E'\\n'), (''), ('a')`);
    const { columns, rows } = await extractTable('single');
    expect(columns).toEqual({ id: 'VARCHAR' });
    expect(rows).toHaveLength(5);
    expect(rows.filter(({ id }) => id === '')).toHaveLength(2);
    expect(rows.map(({ id }) => id)).toEqual(expect.arrayContaining(['', '', '\n', 'a', null]));
  });

  it('takes names that need quoting', async () => {
    await client.execute(`CREATE TABLE amazon."Odd ""table"" 'ü" ("id" integer, "a ""b"" 'c" text, "select" text);
      INSERT INTO amazon."Odd ""table"" 'ü" VALUES (1, 'x', E'y\\\\z')`);
    const { rows } = await extractTable('Odd "table" \'ü');
    expect(rows).toEqual([{ id: '1', 'a "b" \'c': 'x', select: 'y\\z' }]);
  });

  it('takes long texts in small chunks', async () => {
    await client.execute(`CREATE TABLE amazon.long (id integer PRIMARY KEY, t text);
      INSERT INTO amazon.long SELECT i, repeat(E'0123456\\n', CASE WHEN i % 7 = 0 THEN 131072 + i ELSE i END)
      FROM generate_series(1, 40) AS i`);
    const { world } = await extractTable('long', { chunkSize: '100kB' });
    const shown = await world.rows<{ id: number; t: string }>('bronze', batch, 'long', 'id');
    expect(shown.map(({ t }) => t)).toEqual(
      Array.from({ length: 40 }, (_, index) => {
        const id = index + 1;
        return '0123456\n'.repeat(id % 7 === 0 ? 131072 + id : id);
      }),
    );
    const [table] = (await world.manifest('bronze', batch)).tables;
    expect(table?.files.length).toBeGreaterThan(1);
    expect(table?.files.map(({ key }) => key)).toContain(
      'bronze/batch=20260101_000000/long/part-00000.parquet',
    );
  });

  it('takes texts of a megabyte that are full of escapes, in little memory', async () => {
    await client.execute(`CREATE TABLE amazon.dense (id integer PRIMARY KEY, t text);
      INSERT INTO amazon.dense SELECT i, repeat(E'abcdef\\t\\\\' || i % 10, 110000) FROM generate_series(1, 24) AS i`);
    const { rows } = await extractTable('dense', { memoryLimit: '300MB', parallelism: 2 });
    expect(rows.map(({ t }) => t)).toEqual(
      Array.from({ length: 24 }, (_, index) => `abcdef\t\\${(index + 1) % 10}`.repeat(110000)),
    );
  });

  it('undoes in each chunk the escapes that it holds', async () => {
    await client.execute(`CREATE TABLE amazon.changing (id integer PRIMARY KEY, t text);
      INSERT INTO amazon.changing SELECT i, repeat('x', 50) ||
        (ARRAY['', E'\\n', E'\\t', E'\\\\', E'\\\\n', E'\\r', E'\\v\\b', ''])[i / 100 + 1]
      FROM generate_series(0, 799) AS i`);
    const { rows } = await extractTable('changing', { chunkSize: '3kB', parallelism: 1 });
    const ends = ['', '\n', '\t', '\\', '\\n', '\r', '\v\b', ''];
    expect(rows.map(({ t }) => t)).toEqual(
      Array.from({ length: 800 }, (_, id) => 'x'.repeat(50) + ends[Math.floor(id / 100)]),
    );
  });

  it('keeps any text that PostgreSQL can hold', async () => {
    await client.execute('CREATE TABLE amazon.fuzz (id integer PRIMARY KEY, a text, b text)');
    const text = fc
      .string({ unit: 'binary', maxLength: 60 })
      .map((value) => value.replaceAll('\0', ''));
    const spiced = fc
      .array(
        fc.constantFrom('\\', '\n', '\r', '\t', 'n', 'N', '.', '"', "'", ',', '\b', '\v', ' '),
        {
          maxLength: 12,
        },
      )
      .map((parts) => parts.join(''));
    const value = fc.option(fc.oneof(text, spiced));
    const [sample] = fc.sample(
      fc.array(fc.tuple(value, value), { minLength: 400, maxLength: 400 }),
      { numRuns: 1, seed: Number.parseInt(randomBytes(4).toString('hex'), 16) | 0 },
    );
    const rows = (sample ?? []).map(([a, b], id) => ({ id: String(id), a, b }));
    await client.execute(
      `INSERT INTO amazon.fuzz SELECT * FROM unnest($1::integer[], $2::text[], $3::text[])`,
      [rows.map(({ id }) => id), rows.map(({ a }) => a), rows.map(({ b }) => b)],
    );
    const extracted = await extractTable('fuzz', { chunkSize: '2kB' });
    expect(extracted.rows).toEqual(rows);
  });
});
