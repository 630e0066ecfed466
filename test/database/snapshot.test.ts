import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import type { DatabaseClient } from '../../src/database/client.js';
import { openSnapshot, type Snapshot } from '../../src/database/snapshot.js';
import type { DatabaseTarget } from '../../src/database/target.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let client: DatabaseClient;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
  client = await database.client();
  await client.execute('CREATE TABLE counted AS SELECT generate_series(1, 10) AS id');
  await client.execute('CREATE MATERIALIZED VIEW kept AS SELECT id FROM counted');
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((opened) => opened.close()));
});

afterAll(async () => {
  await database.drop();
});

async function take(target: DatabaseTarget = database.target): Promise<Snapshot> {
  const settings = configSchema.parse({}).database;
  const signal = new AbortController().signal;
  const snapshot = await openSnapshot(
    target,
    { settings, signal, readers: { purpose: 'snapshot test', count: 1 } },
    async () => [
      { schema: 'public', name: 'counted', lockable: true },
      { schema: 'public', name: 'kept', lockable: false },
    ],
  );
  open.push(snapshot);
  return snapshot;
}

async function reader(snapshot: Snapshot): Promise<DatabaseClient> {
  const opened = await snapshot.openReader();
  open.push(opened);
  return opened;
}

const count = async (connection: DatabaseClient): Promise<number> => {
  const [row] = await connection.query<{ n: number }>('SELECT count(*)::integer AS n FROM counted');
  return row?.n ?? -1;
};

describe('openSnapshot', () => {
  it('lets every reader see one moment, whenever it joins', async () => {
    const snapshot = await take();
    const early = await reader(snapshot);
    await client.execute('INSERT INTO counted VALUES (11)');
    const late = await reader(snapshot);
    expect(await Promise.all([snapshot.client, early, late, client].map(count))).toEqual([
      10, 10, 10, 11,
    ]);
    await snapshot.confirm();
    await client.execute('DELETE FROM counted WHERE id > 10');
  });

  it('says what it was cut from', async () => {
    const before = Date.now();
    const { source } = await take();
    expect(source.server).toMatch(/^PostgreSQL \d+/);
    expect(source.database).toMatch(/^test_/);
    expect(source.lsn).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/);
    expect(source.takenAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(Math.abs(Date.parse(source.takenAt) - before)).toBeLessThan(60_000);
  });

  it('keeps the tables as they are, and lets others write', async () => {
    await take();
    await client.execute('INSERT INTO counted VALUES (12)');
    await client.execute('DELETE FROM counted WHERE id = 12');
    await client.execute("SET lock_timeout = '50ms'");
    for (const change of [
      'TRUNCATE counted',
      'ALTER TABLE counted ADD x text',
      'DROP TABLE counted',
      'REFRESH MATERIALIZED VIEW kept',
    ]) {
      await expect(client.execute(change)).rejects.toMatchObject({ code: 'DATABASE_LOCK_TIMEOUT' });
    }
    await client.execute('RESET lock_timeout');
  });

  it('writes nothing itself', async () => {
    const connection = await reader(await take());
    await expect(connection.execute('INSERT INTO counted VALUES (13)')).rejects.toThrow(
      /read-only/,
    );
  });

  it('is not ended for idling, however long the copies take', async () => {
    const snapshot = await take();
    for (const connection of [snapshot.client, await reader(snapshot)]) {
      const rows = await connection.query('SHOW idle_in_transaction_session_timeout');
      expect(rows).toEqual([{ idle_in_transaction_session_timeout: '0' }]);
    }
  });

  it('leaves no connection behind, those opened ahead for readers included', async () => {
    const connections = () =>
      client.query(
        `SELECT application_name FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()
           AND application_name ~ 'snapshot'`,
      );
    const unused = await take();
    await unused.close();
    const used = await take();
    const taken = await reader(used);
    const another = await reader(used);
    expect(await connections()).toHaveLength(3);
    for (const connection of [taken, another, used]) await connection.close();
    await expect.poll(connections).toEqual([]);
  });

  it('does not confirm what it cannot vouch for', async () => {
    const snapshot = await take();
    await client.query(
      `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE '%extract snapshot'`,
    );
    await expect(snapshot.confirm()).rejects.toMatchObject({
      code: 'DATABASE_UNREACHABLE',
      exitCode: 5,
    });
  });

  it('says to a reader that comes after the holder was lost what was lost', async () => {
    const snapshot = await take();
    await client.query(
      "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE 'reviewops extract snapshot%' AND datname = current_database()",
    );
    await expect(snapshot.openReader()).rejects.toMatchObject({
      code: 'DATABASE_UNREACHABLE',
    });
    await snapshot.close();
  });

  it('refuses a pooled endpoint, and says which to use', async () => {
    await expect(take({ ...database.target, endpoint: 'pooler' })).rejects.toMatchObject({
      code: 'ENDPOINT_POOLED',
      exitCode: 2,
      hint: expect.stringContaining('-pooler'),
    });
  });

  it('does not hide rows in silence', async () => {
    await client.execute(`CREATE ROLE limited_reader; GRANT SELECT ON counted TO limited_reader;
      ALTER TABLE counted ENABLE ROW LEVEL SECURITY`);
    const connection = await reader(await take());
    await connection.execute('SET ROLE limited_reader');
    await expect(count(connection)).rejects.toMatchObject({ code: 'DATABASE_PERMISSION_DENIED' });
    await Promise.all(open.splice(0).map((opened) => opened.close()));
    await client.execute(`ALTER TABLE counted DISABLE ROW LEVEL SECURITY;
      DROP OWNED BY limited_reader; DROP ROLE limited_reader`);
  });
});
