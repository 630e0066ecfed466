import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeTables, listRelations } from '../../src/database/catalog.js';
import type { DatabaseClient } from '../../src/database/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let client: DatabaseClient;

beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
  client = await database.client();
  await client.execute(`
    CREATE SCHEMA shop;
    SET search_path = shop;
    CREATE DOMAIN amount AS numeric(9,2);
    CREATE DOMAIN fee AS amount CHECK (value > 0);
    CREATE TABLE plain (b text, a integer, gone text, cost numeric(12,2), charged fee, tags varchar(9)[],
      PRIMARY KEY (a, b));
    ALTER TABLE plain DROP COLUMN gone;
    INSERT INTO plain SELECT repeat('x', 500), i FROM generate_series(1, 1000) AS i;
    CREATE TABLE parent (day date, n integer) PARTITION BY LIST (day);
    CREATE TABLE part_a PARTITION OF parent FOR VALUES IN ('2024-01-01') PARTITION BY RANGE (n);
    CREATE TABLE part_a1 PARTITION OF part_a FOR VALUES FROM (0) TO (10);
    CREATE TABLE part_b PARTITION OF parent DEFAULT;
    CREATE VIEW seen AS SELECT a FROM plain;
    CREATE MATERIALIZED VIEW kept AS SELECT a FROM plain;
    CREATE SEQUENCE counter;
    CREATE TYPE pair AS (x integer);
    RESET search_path;
    ANALYZE`);
});

afterAll(async () => {
  await database.drop();
});

describe('listRelations', () => {
  it('lists what has rows, and what of it is a partition', async () => {
    const relations = await listRelations(client, 'shop');
    expect(relations.map(({ name, kind, isPartition }) => [name, kind, isPartition])).toEqual([
      ['kept', 'materialized', false],
      ['parent', 'partitioned', false],
      ['part_a', 'partitioned', true],
      ['part_a1', 'table', true],
      ['part_b', 'table', true],
      ['plain', 'table', false],
      ['seen', 'view', false],
    ]);
    expect(relations.some(({ ofExtension }) => ofExtension)).toBe(false);
  });

  it('finds nothing in a schema that does not exist', async () => {
    expect(await listRelations(client, 'nowhere')).toEqual([]);
  });
});

describe('describeTables', () => {
  it('tells columns with what their types are made of, without dropped ones', async () => {
    const [plain] = await describeTables(client, 'shop', ['plain']);
    expect(plain?.primaryKey).toEqual(['a', 'b']);
    expect(plain?.columns).toEqual([
      column('b', 'text', 'text'),
      column('a', 'integer', 'int4'),
      column('cost', 'numeric(12,2)', 'numeric', { modifier: ((12 << 16) | 2) + 4 }),
      column('charged', 'shop.fee', 'numeric', { modifier: ((9 << 16) | 2) + 4 }),
      column('tags', 'character varying(9)[]', '_varchar', { isArray: true, modifier: 13 }),
    ]);
    expect(plain?.estimatedRows).toBe(1000);
    expect(plain?.stored).toHaveLength(1);
    expect(plain?.stored[0]?.pages).toBeGreaterThan(10);
    expect(plain?.stored[0]?.bytes).toBeGreaterThanOrEqual((plain?.stored[0]?.pages ?? 0) * 8192);
  });

  it('answers in the order asked, with the leaves of a partitioned table', async () => {
    const [parent, seen, kept] = await describeTables(client, 'shop', ['parent', 'seen', 'kept']);
    expect(parent?.stored.map(({ name }) => name)).toEqual(['part_a1', 'part_b']);
    expect(parent?.estimatedRows).toBe(0);
    expect([seen?.kind, seen?.estimatedRows, seen?.stored[0]?.pages]).toEqual([
      'view',
      undefined,
      0,
    ]);
    expect([kept?.kind, kept?.estimatedRows]).toEqual(['materialized', 1000]);
  });

  it('does not know rows that were never counted', async () => {
    await client.execute('CREATE TABLE shop.uncounted (id integer)');
    const [table] = await describeTables(client, 'shop', ['uncounted']);
    expect([table?.estimatedRows, table?.primaryKey]).toEqual([undefined, []]);
  });
});

const column = (name: string, typeName: string, base: string, type: object = {}) => ({
  name,
  typeName,
  type: { name: base, builtIn: true, isArray: false, modifier: -1, ...type },
});
