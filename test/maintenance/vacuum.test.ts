import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { type DatabaseClient, withClient } from '../../src/database/client.js';
import { externalTarget } from '../../src/database/url.js';
import { freeSpace } from '../../src/maintenance/free-space.js';
import {
  expectedGain,
  type TableStatistics,
  tableStatistics,
} from '../../src/maintenance/table-statistics.js';
import { vacuumTable } from '../../src/maintenance/vacuum.js';
import {
  type Blocker,
  describeBlocker,
  findBlockers,
  removesNothing,
} from '../../src/maintenance/vacuum-blockers.js';
import { selectTables } from '../../src/maintenance/vacuum-selection.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const { database: settings, maintenance: thresholds } = configSchema.parse({});
const never = new AbortController().signal;

let database: TestDatabase;
let client: DatabaseClient;
beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.client();
  // What these tests count must not be cleaned behind their back.
  await client.execute('ALTER TABLE amazon.review SET (autovacuum_enabled = off)');
  await client.execute(
    "INSERT INTO amazon.review SELECT 'R' || i, NULL, 'T', repeat('x', 200), 3, true, 0, now() FROM generate_series(1, 3000) i",
  );
  await client.query('SELECT pg_stat_force_next_flush()');
  await client.execute('ANALYZE amazon.review');
});
afterAll(() => database.drop());

const read = async (schema = 'amazon'): Promise<TableStatistics[]> => {
  // The server may hold back for a second what this session has done.
  await client.query('SELECT pg_stat_force_next_flush()');
  return tableStatistics(client, [schema]);
};
const one = async (table: string): Promise<TableStatistics> => {
  const found = (await read(table.split('.')[0])).find((entry) => entry.table === table);
  if (found === undefined) throw new Error(`No ${table}`);
  return found;
};

describe('table statistics', () => {
  it('count dead rows, sizes and vacuums', async () => {
    await client.execute("DELETE FROM amazon.review WHERE review_id LIKE 'R1%'");
    const review = await one('amazon.review');
    expect(review).toMatchObject({
      deadTuples: 1111,
      liveTuples: 1889,
      allowed: true,
      parent: null,
    });
    expect(review.totalBytes).toBeGreaterThan(review.heapBytes);
    expect(expectedGain(review)).toBe(Math.round((1111 / 3000) * review.heapBytes));
  });

  it('name the leaves of a partitioned table, which hold the rows', async () => {
    await client.execute(
      "CREATE TABLE amazon.fact_reviews_x PARTITION OF amazon.fact_reviews FOR VALUES IN ('b')",
    );
    const names = (await read()).map(({ table, parent }) => [table, parent]);
    expect(names).toContainEqual(['amazon.fact_reviews_x', 'amazon.fact_reviews']);
    expect(names.map(([name]) => name)).not.toContain('amazon.fact_reviews');
  });

  // neon#6684: statistics were lost on suspend. 0 would read as "nothing to do".
  it('are unknown, not 0, when the server has lost them', async () => {
    await client.execute('CREATE TABLE amazon.forgotten AS SELECT generate_series(1, 1000) AS i');
    await one('amazon.forgotten');
    await client.query("SELECT pg_stat_reset_single_table_counters('amazon.forgotten'::regclass)");
    const forgotten = await one('amazon.forgotten');
    expect(forgotten).toMatchObject({ deadTuples: null, liveTuples: null });
    expect(expectedGain(forgotten)).toBeNull();
    // PerformanceMonitor#2542: what a few rows since the loss say about the table is worth nothing.
    await client.execute('ANALYZE amazon.forgotten');
    await client.query("SELECT pg_stat_reset_single_table_counters('amazon.forgotten'::regclass)");
    await client.execute('DELETE FROM amazon.forgotten WHERE i < 5');
    expect(await one('amazon.forgotten')).toMatchObject({ deadTuples: null });
    await client.execute('DROP TABLE amazon.forgotten');
  });
});

describe('which tables are vacuumed', () => {
  const table = (name: string, change: Partial<TableStatistics>): TableStatistics => ({
    table: `amazon.${name}`,
    schema: 'amazon',
    name,
    parent: null,
    kind: 'table',
    oid: name,
    filenode: '1',
    heapBytes: 1e6,
    totalBytes: 2e6,
    liveTuples: 1000,
    deadTuples: 0,
    vacuumCount: 0,
    lastVacuum: null,
    meanVacuumSeconds: null,
    allowed: true,
    ...change,
  });
  const tables = [
    table('quiet', {}),
    table('tiny', { deadTuples: 900, heapBytes: 8192 }),
    table('few', { deadTuples: 5 }),
    table('many', { deadTuples: 60 }),
    table('share', { deadTuples: 40, liveTuples: 100 }),
    table('lost', { deadTuples: null, liveTuples: null }),
    table('foreign', { deadTuples: 500, allowed: false }),
    table('part_1', { parent: 'amazon.whole' }),
    table('part_2', { parent: 'amazon.whole' }),
  ];

  // check_pgactivity#129, #398.
  it('no false alarm on tables without writes, partitioned parents and tiny tables', () => {
    const { tables: chosen, left } = selectTables(tables, undefined, thresholds);
    expect(chosen.map(({ name }) => name)).toEqual(['many', 'share', 'lost']);
    expect(left).toEqual([
      { table: 'amazon.tiny', why: 'it is tiny' },
      { table: 'amazon.few', why: '5 dead rows are too few to matter' },
      { table: 'amazon.foreign', why: 'this role may not vacuum it' },
    ]);
  });

  it('takes named ones whatever their state, with or without schema, or all partitions', () => {
    const names = (wanted: string[]) =>
      selectTables(tables, wanted, thresholds).tables.map(({ name }) => name);
    expect(names(['tiny', 'amazon.quiet', 'tiny'])).toEqual(['quiet', 'tiny']);
    expect(names(['whole'])).toEqual(['part_1', 'part_2']);
    expect(() => names(['manny'])).toThrow(
      expect.objectContaining({ code: 'TABLE_NOT_FOUND', exitCode: 2, hint: 'Did you mean many?' }),
    );
    // The server warns, does nothing and calls it a success.
    expect(() => names(['foreign'])).toThrow(
      expect.objectContaining({ code: 'VACUUM_NOT_ALLOWED' }),
    );
  });
});

describe('who keeps dead rows alive', () => {
  const waitFor = async (condition: (blockers: Blocker[]) => boolean): Promise<Blocker[]> => {
    for (;;) {
      const { blockers } = await findBlockers(client);
      if (condition(blockers)) return blockers;
    }
  };

  // pg_exporter#27: hidden xmin holders.
  it('is an old session, named with its pid, its user and what ends it', async () => {
    const old = await database.client();
    await old.execute('BEGIN ISOLATION LEVEL REPEATABLE READ');
    const [row] = await old.query<{ pid: number }>(
      'SELECT pg_backend_pid() AS pid, count(*) FROM amazon.review',
    );
    await client.execute("DELETE FROM amazon.review WHERE review_id LIKE 'R2%'");
    const { blockers, complete } = await findBlockers(client);
    expect(complete).toBe(true);
    expect(blockers).toMatchObject([
      {
        kind: 'session',
        name: String(row?.pid),
        transactions: expect.any(Number),
        cure: `SELECT pg_terminate_backend(${row?.pid});`,
      },
    ]);
    expect(describeBlocker(blockers[0] as Blocker)).toMatch(
      new RegExp(`^session with pid ${row?.pid} \\(.*reviewops test.*idle in transaction\\)`),
    );
    // What a vacuum could remove it has; the rest died under the eyes of the old session.
    const watch = await database.client();
    const options = {
      full: false,
      analyze: false,
      watch,
      onNotice: () => undefined,
      onProgress: () => undefined,
    };
    await vacuumTable(client, await one('amazon.review'), options);
    const after = await one('amazon.review');
    // More, where a transaction in another database was under way when the session began to look.
    expect(after.deadTuples).toBeGreaterThanOrEqual(1111);
    expect(removesNothing(after, blockers)).toBe(true);
    await old.execute('ROLLBACK');
    await waitFor((found) => found.length === 0);
    expect(removesNothing(after, [])).toBe(false);
    // The one who watches sees as far back as the oldest transaction of any database, and so keeps
    // what died since: the last of those that began before the DELETE has to end.
    await expect
      .poll(async () => {
        await vacuumTable(client, await one('amazon.review'), options);
        return (await one('amazon.review')).deadTuples;
      })
      .toBe(0);
  });

  it('does not hear an idle session that holds nothing', async () => {
    await database.client();
    expect(await waitFor((found) => found.length === 0)).toEqual([]);
  });

  it('is incomplete for a role that does not see the others', async () => {
    await client.execute("CREATE ROLE short_sighted LOGIN PASSWORD 'short'");
    try {
      const url = new URL(database.target.url);
      url.username = 'short_sighted';
      url.password = 'short';
      const options = { purpose: 'test', settings, signal: never };
      const found = await withClient(externalTarget(url.href), options, (other) =>
        findBlockers(other),
      );
      expect(found.complete).toBe(false);
    } finally {
      await client.execute('DROP ROLE short_sighted');
    }
  });
});

describe('the space for a full vacuum', () => {
  it('is seen for the embedded server and unknown for a remote one', async () => {
    expect(await freeSpace(database.target, client)).toBeGreaterThan(0);
    expect(await freeSpace({ ...database.target, kind: 'external' }, client)).toBeNull();
  });
});
