import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { DatabaseClient } from '../../src/database/client.js';
import type { DatabaseTarget } from '../../src/database/target.js';
import { checks } from '../../src/health/catalogue.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type Examination, flushStatistics, look } from './support.js';

const ofDatabase = checks
  .filter(({ group, needs }) => group === 'database' && !needs.includes('lake'))
  .map(({ name }) => name);

let database: TestDatabase;
let client: DatabaseClient;
const roles: string[] = [];
const open: { close(): unknown }[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.client();
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
  for (const role of roles.splice(0)) {
    await client.execute(`DROP OWNED BY ${role}`);
    await client.execute(`DROP ROLE ${role}`);
  }
});
afterAll(() => database.drop());

const examine = (
  names: readonly string[],
  settings: object = {},
  target: DatabaseTarget = database.target,
): Promise<Examination> =>
  look(names, { target, root: '/nowhere', settings: { health: settings } });

/** A role that may connect and nothing else. */
async function makeRole(): Promise<DatabaseTarget> {
  const role = `role_${randomBytes(4).toString('hex')}`;
  await client.execute(`CREATE ROLE ${role} LOGIN PASSWORD 'kX9-a-password'`);
  roles.push(role);
  const url = new URL(database.target.url);
  url.username = role;
  url.password = 'kX9-a-password';
  return { ...database.target, url: url.href, kind: 'external' };
}

describe('a healthy database', () => {
  it('is ok in every respect, over two connections', async () => {
    const { report } = await examine(ofDatabase);
    expect(report.checks.filter(({ state }) => state !== 'ok' && state !== 'skipped')).toEqual([]);
    expect(report.checks.filter(({ state }) => state === 'ok').length).toBeGreaterThan(12);
    expect(report.checks.every(({ runbook }) => runbook === null)).toBe(true);
  });

  it('is left without a session once it was looked at', async () => {
    await look(['database'], { target: database.target, root: '/nowhere' });
    // The server takes a moment to end a session; other tests look at other databases.
    await vi.waitFor(async () => {
      const sessions = await client.query(
        `SELECT pid FROM pg_stat_activity
         WHERE application_name = 'reviewops health' AND datname = current_database()`,
      );
      expect(sessions).toEqual([]);
    }, 20_000);
  });
});

describe('a database that cannot be reached', () => {
  const elsewhere = (port: number): DatabaseTarget => {
    const url = new URL(database.target.url);
    url.port = String(port);
    return { ...database.target, url: url.href, kind: 'external' };
  };

  it('is critical, and what depends on it is unknown with the cause, never ok', async () => {
    const { report, check } = await examine([...ofDatabase, 'incidents'], {}, elsewhere(1));
    expect(check('database')).toMatchObject({
      state: 'critical',
      runbook: { id: 'database-connection' },
      summary: expect.stringContaining('at TCP'),
    });
    const others = report.checks.filter(({ name }) => name !== 'database');
    expect(new Set(others.map(({ state }) => state))).toEqual(new Set(['unknown']));
    expect(check('incidents').summary).toContain('at TCP');
  });

  it('is critical when it takes the connection and says nothing', async () => {
    const sockets = new Set<Socket>();
    const server: Server = createServer((socket) => sockets.add(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push({
      close: () => {
        for (const socket of sockets) socket.destroy();
        server.close();
      },
    });
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const begun = performance.now();
    const { check } = await examine(['database', 'tls'], { timeoutSeconds: 0.3 }, elsewhere(port));
    expect(check('database').state).toBe('critical');
    expect(check('tls').state).toBe('unknown');
    expect(performance.now() - begun).toBeLessThan(8000);
  });

  it('is critical when the password is wrong, and never shows it', async () => {
    const target = await makeRole();
    const url = new URL(target.url);
    url.password = 'kX9-wrong';
    const { report, check } = await examine(['database'], {}, { ...target, url: url.href });
    expect(check('database')).toMatchObject({
      state: 'critical',
      evidence: { error: 'DATABASE_PASSWORD_REJECTED' },
    });
    expect(JSON.stringify(report)).not.toContain('kX9');
  });
});

describe('rights', () => {
  it('names the rights that are missing', async () => {
    const target = await makeRole();
    const role = new URL(target.url).username;
    await client.execute(`GRANT USAGE ON SCHEMA amazon, maintenance TO ${role}`);
    await client.execute(`GRANT SELECT ON ALL TABLES IN SCHEMA amazon TO ${role}`);
    await client.execute(
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA maintenance TO ${role}`,
    );
    await client.execute(`REVOKE SELECT ON amazon.review FROM ${role}`);
    const { check } = await examine(['grants'], {}, target);
    expect(check('grants')).toMatchObject({
      state: 'critical',
      runbook: { id: 'database-connection' },
      next: expect.stringContaining(role),
    });
    expect(check('grants').evidence.lacking).toEqual([
      'SELECT on amazon.review',
      'INSERT, UPDATE, DELETE on amazon.fact_reviews',
      'ownership of amazon.fact_reviews',
    ]);
  });

  it('reports what it may not read as unknown, never as ok "0 s" (check_postgres#166)', async () => {
    const target = await makeRole();
    // Somebody else's transaction, whose times this role may not see.
    await client.execute('CREATE SEQUENCE IF NOT EXISTS amazon.hidden');
    const other = await database.client();
    await other.execute('BEGIN');
    const names = [
      'long-transactions',
      'xmin-holders',
      'sequences',
      'last-run',
      'reject-rate',
      'incidents',
      'schema',
      'served-rows',
      'freshness',
    ];
    const { report } = await examine(names, {}, target);
    await other.execute('ROLLBACK');
    expect(report.checks.map(({ name, state }) => `${name} ${state}`)).toEqual(
      report.checks.map(({ name }) => `${name} unknown`),
    );
    expect(report.checks.every(({ runbook, next }) => runbook !== null && next !== null)).toBe(
      true,
    );
    expect(report.state).toBe('unknown');
  });
});

describe('the schema', () => {
  let own: TestDatabase;
  let ownClient: DatabaseClient;
  beforeAll(async () => {
    own = await createTestDatabase();
    ownClient = await own.client();
  });
  afterAll(() => own.drop());

  it('is missing in an empty database', async () => {
    const empty = await createTestDatabase({ empty: true });
    const { check } = await examine(['schema', 'tables'], {}, empty.target);
    await empty.drop();
    expect(check('schema')).toMatchObject({
      state: 'critical',
      runbook: { id: 'relation-not-found' },
    });
    expect(check('tables')).toMatchObject({
      state: 'critical',
      runbook: { id: 'relation-not-found' },
    });
  });

  it('is older when a migration is due, and newer when one is not known', async () => {
    await ownClient.execute('UPDATE maintenance.migrations SET name = name || $1', ['_later']);
    const newer = await examine(['schema'], {}, own.target);
    expect(newer.check('schema')).toMatchObject({
      state: 'critical',
      evidence: { schema: 'newer' },
    });
    await ownClient.execute("UPDATE maintenance.migrations SET name = replace(name, '_later', '')");
  });

  it('lacks a table that was dropped, although its migrations are current', async () => {
    await ownClient.execute('DROP TABLE amazon.carrier CASCADE');
    const { check } = await examine(['schema', 'tables'], {}, own.target);
    expect(check('schema').state).toBe('ok');
    expect(check('tables')).toMatchObject({
      state: 'critical',
      summary: 'not there: amazon.carrier',
      runbook: { id: 'relation-not-found' },
    });
  });
});

describe('statistics of tables', () => {
  const table = 'amazon.many';
  const judge = { timeoutSeconds: 10, analyzeGraceMinutes: 0 };

  beforeAll(async () => {
    await client.execute(`CREATE TABLE ${table} (id integer, text text)`);
    await client.execute(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
    await client.execute(
      `INSERT INTO ${table} SELECT i, repeat('x', 300) FROM generate_series(1, 40000) i`,
    );
    // What is counted later would come on top of what VACUUM found.
    await flushStatistics(client);
    await client.execute(`VACUUM ANALYZE ${table}`);
  });

  it('says where autovacuum is off', async () => {
    const { check } = await examine(['autovacuum']);
    expect(check('autovacuum')).toMatchObject({
      state: 'warning',
      runbook: { id: 'vacuum', input: { tables: [table] } },
    });
  });

  it('finds dead rows, and names the table to vacuum', async () => {
    await client.execute(`DELETE FROM ${table} WHERE id % 2 = 0`);
    await flushStatistics(client);
    const { check } = await examine(['dead-rows'], judge);
    expect(check('dead-rows')).toMatchObject({
      state: 'critical',
      value: 50,
      runbook: { id: 'vacuum', input: { tables: [table] } },
    });
    await client.execute(`VACUUM ${table}`);
    expect((await examine(['dead-rows'], judge)).check('dead-rows').state).toBe('ok');
  });

  it('withholds the estimate of bloat while statistics are stale (PerformanceMonitor#2542)', async () => {
    // Half of the rows went since ANALYZE.
    const stale = await examine(['bloat', 'statistics'], judge);
    expect(stale.check('bloat')).toMatchObject({
      state: 'skipped',
      value: null,
      evidence: { withheld: [table] },
    });
    expect(stale.check('statistics')).toMatchObject({
      state: 'warning',
      runbook: { id: 'vacuum', input: { tables: [table], analyze: true } },
    });
  });

  it('leaves what changed since ANALYZE to autovacuum for a while', async () => {
    const { check } = await examine(['statistics']);
    expect(check('statistics').state).toBe('ok');
  });

  it('estimates bloat from current statistics', async () => {
    await client.execute(`DELETE FROM ${table} WHERE id < 39000`);
    // What is counted later would come on top of what VACUUM found.
    await flushStatistics(client);
    await client.execute(`VACUUM ANALYZE ${table}`);
    const { check } = await examine(['bloat', 'statistics'], judge);
    expect(check('bloat')).toMatchObject({
      state: 'critical',
      runbook: { id: 'vacuum-full', input: { tables: [table] } },
    });
    // 500 of 40,000 rows are left.
    expect(check('bloat').value).toBeGreaterThan(95);
    expect(check('statistics').state).toBe('ok');
    await client.execute(`VACUUM FULL ANALYZE ${table}`);
    expect((await examine(['bloat'], judge)).check('bloat').state).toBe('ok');
  });

  it('judges no tiny tables, no partitioned parents, no tables without writes (check_pgactivity#129, #398)', async () => {
    await client.execute('CREATE TABLE amazon.tiny AS SELECT generate_series(1, 20) AS id');
    await client.execute('DELETE FROM amazon.tiny WHERE id > 1');
    await flushStatistics(client);
    await client.execute('CREATE TABLE amazon.parent (id integer) PARTITION BY RANGE (id)');
    await client.execute(
      'CREATE TABLE amazon.child PARTITION OF amazon.parent FOR VALUES FROM (0) TO (100000)',
    );
    await client.execute('INSERT INTO amazon.parent SELECT generate_series(1, 2000)');
    await flushStatistics(client);
    await client.execute('ANALYZE amazon.child');
    const { check } = await examine(['dead-rows', 'statistics', 'bloat'], judge);
    expect(check('dead-rows').state).toBe('ok');
    expect(check('statistics').state).toBe('ok');
    expect(check('bloat').state).toBe('ok');
  });

  it('concludes nothing from counters that the server lost (neon#6684)', async () => {
    await client.query('SELECT pg_stat_reset()');
    const { check } = await examine(['dead-rows', 'statistics'], judge);
    expect(check('dead-rows')).toMatchObject({
      state: 'unknown',
      value: null,
      runbook: { id: 'vacuum', input: { analyze: true } },
    });
    expect(check('statistics').state).toBe('unknown');
  });

  it('counts transaction ids to the wraparound', async () => {
    const { check } = await examine(['wraparound'], {
      wraparoundPercent: { warning: 0, critical: null },
    });
    expect(check('wraparound')).toMatchObject({ state: 'warning', runbook: { id: 'vacuum' } });
  });
});

describe('sessions', () => {
  const soon = { warning: 0.000_01, critical: 100 };

  it('names the transaction that is open too long, and what it holds back', async () => {
    const other = await database.client();
    await other.execute('BEGIN ISOLATION LEVEL REPEATABLE READ');
    const [{ pid } = { pid: 0 }] = await other.query<{ pid: number }>(
      'SELECT pg_backend_pid() AS pid',
    );
    await client.query('SELECT pg_current_xact_id()');
    await client.query('SELECT pg_current_xact_id()');
    const { check } = await examine(['long-transactions', 'xmin-holders'], {
      transactionMinutes: soon,
      xminAgeMillions: { warning: 0.000_001, critical: 100 },
    });
    await other.execute('ROLLBACK');
    const pids = (check('long-transactions').evidence.transactions as { pid: number }[]).map(
      (transaction) => transaction.pid,
    );
    expect(pids).toContain(pid);
    expect(check('long-transactions')).toMatchObject({
      state: 'warning',
      runbook: { id: 'vacuum' },
    });
    expect(check('xmin-holders').state).toBe('warning');
    const holders = check('xmin-holders').evidence.holders as { name: string }[];
    expect(holders.map(({ name }) => name)).toContainEqual(expect.stringContaining(`pid ${pid}`));
  });

  it('warns before the connections are used up', async () => {
    const { check } = await examine(['connections'], {
      connectionsPercent: { warning: 0.5, critical: 99 },
    });
    expect(check('connections')).toMatchObject({
      state: 'warning',
      runbook: { id: 'slow-at-peak' },
    });
  });

  it('does with one connection where the server has no second to give', async () => {
    const target = await makeRole();
    await client.execute(`ALTER ROLE ${new URL(target.url).username} CONNECTION LIMIT 1`);
    const { report } = await examine(['database', 'wraparound', 'replication-slots'], {}, target);
    expect(report.checks.map(({ state }) => state)).toEqual(['ok', 'ok', 'ok']);
  });

  it('waits for no lock of somebody who works', async () => {
    const other = await database.client();
    await other.execute('BEGIN');
    await other.execute('LOCK TABLE amazon.fact_reviews IN ACCESS EXCLUSIVE MODE');
    const begun = performance.now();
    const { report, check } = await examine([...ofDatabase, 'served-rows']);
    const milliseconds = performance.now() - begun;
    await other.execute('ROLLBACK');
    expect(check('served-rows')).toMatchObject({
      state: 'unknown',
      evidence: { error: 'DATABASE_LOCK_TIMEOUT' },
    });
    const names = report.checks.filter(({ state }) => state === 'unknown').map(({ name }) => name);
    // The counters were lost by a test above.
    expect(names.filter((name) => !['dead-rows', 'statistics'].includes(name))).toEqual([
      'served-rows',
    ]);
    expect(milliseconds).toBeLessThan(15_000);
  });
});

describe('objects', () => {
  it('finds a sequence near its end', async () => {
    await client.execute('CREATE SEQUENCE amazon.short AS smallint');
    await client.query("SELECT setval('amazon.short', 31000)");
    const { check } = await examine(['sequences']);
    expect(check('sequences')).toMatchObject({
      state: 'critical',
      value: 94.6,
      summary: expect.stringContaining('amazon.short'),
    });
    await client.execute('DROP SEQUENCE amazon.short');
  });

  it('takes a sequence that gave no number yet for unused, not for missing (soda#1755)', async () => {
    await client.execute('CREATE SEQUENCE amazon.fresh');
    const { check } = await examine(['sequences']);
    expect(check('sequences')).toMatchObject({ state: 'ok', value: 0 });
  });

  it('finds the index that CREATE INDEX CONCURRENTLY left invalid', async () => {
    await client.execute('CREATE TABLE amazon.twice AS SELECT 1 AS id FROM generate_series(1, 2)');
    await expect(
      client.execute('CREATE UNIQUE INDEX CONCURRENTLY twice_id ON amazon.twice (id)'),
    ).rejects.toThrow();
    const { check } = await examine(['indexes']);
    expect(check('indexes')).toMatchObject({
      state: 'warning',
      value: 1,
      next: expect.stringContaining('amazon.twice_id'),
    });
    await client.execute('DROP INDEX amazon.twice_id');
    expect((await examine(['indexes'])).check('indexes').state).toBe('ok');
  });
});
