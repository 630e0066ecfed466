import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatabaseClient } from '../../src/database/client.js';
import type { DatabaseTarget } from '../../src/database/target.js';
import { extract } from '../../src/pipeline/extract/extract.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { settingsWith } from '../support/extract.js';
import { stageWorlds } from '../support/stage.js';

const batch = '20260101_000000';

let database: TestDatabase;
let client: DatabaseClient;
const makeWorld = stageWorlds();

beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.client();
  await client.execute(`
    SET search_path = amazon;
    CREATE TABLE "Parent" (id integer PRIMARY KEY, "Text" text);
    CREATE TABLE "child ü" (extra integer) INHERITS ("Parent");
    CREATE TABLE grandchild () INHERITS ("child ü");
    CREATE TABLE other (id integer);
    CREATE TABLE cousin () INHERITS ("Parent", other);
    INSERT INTO "Parent" VALUES (1, 'parent');
    INSERT INTO "child ü" VALUES (1, 'child', 5);
    INSERT INTO grandchild VALUES (2, 'grandchild', 6);
    INSERT INTO cousin VALUES (3, 'cousin');
    CREATE TABLE parted (id integer, t text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (10);
    CREATE TABLE high PARTITION OF parted FOR VALUES FROM (10) TO (20);
    INSERT INTO parted VALUES (1, 'low'), (11, 'high');
    RESET search_path`);
});

afterAll(async () => {
  await database.drop();
});

async function extractTables(tables: string[], target: DatabaseTarget = database.target) {
  const world = await makeWorld({ settings: settingsWith(tables), database: target });
  await extract(world.context, batch, { tables });
  return world;
}

describe('relations', () => {
  it('takes what inherits from a table with it, as PostgreSQL shows it, and its key for none', async () => {
    const world = await extractTables(['Parent', 'other', 'child ü']);
    expect(await world.rows('bronze', batch, 'Parent', '"Text"')).toEqual([
      { id: 1, Text: 'child' },
      { id: 3, Text: 'cousin' },
      { id: 2, Text: 'grandchild' },
      { id: 1, Text: 'parent' },
    ]);
    expect(await world.rows('bronze', batch, 'other')).toEqual([{ id: 3 }]);
    expect(await world.rows('bronze', batch, 'child ü', 'id')).toEqual([
      { id: 1, Text: 'child', extra: 5 },
      { id: 2, Text: 'grandchild', extra: 6 },
    ]);
    const manifest = await world.manifest('bronze', batch);
    const [parent] = manifest.tables.filter(({ name }) => name === 'Parent');
    expect(parent?.rows).toBe(4);
    for (const { ranges } of parent?.files ?? []) expect(ranges).toEqual({});
  });

  it('reads partitions and heirs through their parent when the role may read that alone', async () => {
    const role = `reader_${randomBytes(4).toString('hex')}`;
    await client.execute(`
      CREATE ROLE ${role} LOGIN PASSWORD 'reader';
      GRANT USAGE ON SCHEMA amazon TO ${role};
      GRANT SELECT ON amazon.parted, amazon."Parent" TO ${role};
      GRANT SELECT ON amazon.low TO ${role}`);
    try {
      const url = new URL(database.target.url);
      url.username = role;
      url.password = 'reader';
      const world = await extractTables(['parted', 'Parent'], {
        ...database.target,
        url: url.href,
      });
      expect(await world.rows('bronze', batch, 'parted', 'id')).toEqual([
        { id: 1, t: 'low' },
        { id: 11, t: 'high' },
      ]);
      expect(await world.rows('bronze', batch, 'Parent')).toHaveLength(4);
    } finally {
      await client.execute(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });
});
