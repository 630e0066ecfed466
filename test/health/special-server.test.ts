import { spawnSync } from 'node:child_process';
import { chownSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { type DatabaseClient, openClient, withClient } from '../../src/database/client.js';
import { ensureEmbedded, stopEmbedded } from '../../src/database/embedded/index.js';
import { migrate } from '../../src/database/migrate.js';
import type { DatabaseTarget } from '../../src/database/target.js';
import { externalTarget, parseDatabaseUrl } from '../../src/database/url.js';
import { probeTls } from '../../src/diagnosis/network.js';
import { findBlockers } from '../../src/maintenance/vacuum-blockers.js';
import { makeHome } from '../support/home.js';
import { look } from './support.js';

/** What only a server with other settings than the tests’ shared one can show. */

const config = configSchema.parse({});
const { signal } = new AbortController();
const job = { signal, report: () => undefined, now: () => new Date() };
const options = { purpose: 'test', settings: config.database, signal };

let place: Awaited<ReturnType<typeof makeHome>>;
let target: DatabaseTarget;
let client: DatabaseClient;

beforeAll(async () => {
  place = await makeHome();
  const { home } = place;
  const settings = {
    max_prepared_transactions: '10',
    wal_level: 'logical',
    max_wal_senders: '2',
    max_replication_slots: '4',
  };
  const first = await ensureEmbedded({ home, config, ...job });
  await withClient(first, options, async (admin) => {
    for (const [name, value] of Object.entries(settings)) {
      await admin.execute(`ALTER SYSTEM SET ${name} = '${value}'`);
    }
  });
  await stopEmbedded({ home, ...job });
  target = await ensureEmbedded({ home, config, ...job });
  await migrate(target, config, job);
  client = await openClient(target, options);
});
afterAll(async () => {
  await client?.close();
  await place.remove();
});

const examine = (names: readonly string[], health: object = {}) =>
  look(names, { target, root: place.home, settings: { health } });

it('finds a prepared transaction that everybody forgot, and what it holds back', async () => {
  await client.execute('BEGIN');
  await client.execute('CREATE TABLE half_done (id integer)');
  await client.execute("PREPARE TRANSACTION 'forgotten'");
  for (const _ of [1, 2, 3]) await client.query('SELECT pg_current_xact_id()');
  const { check } = await examine(['prepared-transactions', 'xmin-holders', 'long-transactions'], {
    preparedMinutes: { warning: 0.000_01, critical: 60 },
    xminAgeMillions: { warning: 0.000_001, critical: 1 },
  });
  await client.execute("ROLLBACK PREPARED 'forgotten'");
  expect(check('prepared-transactions')).toMatchObject({
    state: 'warning',
    summary: expect.stringContaining('forgotten'),
    runbook: { id: 'vacuum' },
    next: "ROLLBACK PREPARED 'forgotten';",
  });
  // No session holds it: it is hidden from pg_stat_activity (pg_exporter#27).
  expect(check('long-transactions').state).toBe('ok');
  expect(check('xmin-holders')).toMatchObject({
    state: 'warning',
    summary: expect.stringContaining('prepared transaction forgotten'),
  });
  expect((await examine(['prepared-transactions'])).check('prepared-transactions').state).toBe(
    'ok',
  );
});

it('finds a replication slot that nobody reads, and what it keeps back (pg_exporter#27)', async () => {
  await client.query("SELECT pg_create_physical_replication_slot('left', true)");
  const idle = await examine(['replication-slots']);
  expect(idle.check('replication-slots')).toMatchObject({
    state: 'warning',
    summary: 'nobody reads left',
    next: expect.stringContaining("pg_drop_replication_slot('left')"),
  });
  await client.execute('CREATE TABLE filler AS SELECT generate_series(1, 20000) AS id');
  const full = await examine(['replication-slots', 'xmin-holders'], {
    slotRetainedMegabytes: { warning: 0.001, critical: 0.01 },
  });
  expect(full.check('replication-slots').state).toBe('critical');
  await client.query("SELECT pg_drop_replication_slot('left')");
  expect((await examine(['replication-slots'])).check('replication-slots').state).toBe('ok');
});

it('finds autovacuum switched off', async () => {
  await client.execute('ALTER SYSTEM SET autovacuum = off');
  await client.query('SELECT pg_reload_conf()');
  // The setting reaches a session at its next statement.
  const { check } = await examine(['autovacuum']);
  await client.execute('ALTER SYSTEM RESET autovacuum');
  await client.query('SELECT pg_reload_conf()');
  expect(check('autovacuum')).toMatchObject({ state: 'critical', runbook: { id: 'vacuum' } });
});

it('advises nobody to kill an autovacuum worker (pghero#106)', async () => {
  const usual = [
    'autovacuum_naptime',
    'autovacuum_vacuum_cost_delay',
    'autovacuum_vacuum_cost_limit',
  ];
  await client.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'");
  // So slow that it is still at work when it is looked at.
  await client.execute("ALTER SYSTEM SET autovacuum_vacuum_cost_delay = '100ms'");
  await client.execute('ALTER SYSTEM SET autovacuum_vacuum_cost_limit = 1');
  await client.query('SELECT pg_reload_conf()');
  try {
    await client.execute('CREATE TABLE worked_on AS SELECT i FROM generate_series(1, 100000) i');
    await client.execute('DELETE FROM worked_on WHERE i % 2 = 0');
    const worker = () =>
      client.query<{ pid: number }>(
        `SELECT a.pid FROM pg_stat_activity a JOIN pg_stat_progress_vacuum USING (pid)
         WHERE backend_type = 'autovacuum worker' AND backend_xmin IS NOT NULL`,
      );
    await expect.poll(worker, { timeout: 20_000 }).toHaveLength(1);
    const [{ pid } = { pid: 0 }] = await worker();
    const limits = { warning: 0, critical: 0 };
    const { report, check } = await examine(['long-transactions', 'xmin-holders', 'bloat'], {
      transactionMinutes: limits,
      xminAgeMillions: limits,
    });
    const { blockers } = await findBlockers(client);
    expect(await worker()).toHaveLength(1);
    expect(check('long-transactions').next ?? '').not.toContain(String(pid));
    expect(JSON.stringify([report, blockers])).not.toContain(`pg_terminate_backend(${pid})`);
  } finally {
    for (const name of usual) await client.execute(`ALTER SYSTEM RESET ${name}`);
    await client.query('SELECT pg_reload_conf()');
    // Ends the slow worker by what it works on, as any stronger lock does.
    await client.execute('DROP TABLE worked_on');
  }
});

it.skipIf(spawnSync('openssl', ['version']).status !== 0)(
  'off this machine, says what encrypts the connection, and whether somebody checked with whom (needs openssl)',
  async () => {
    const [{ directory } = { directory: '' }] = await client.query<{ directory: string }>(
      "SELECT current_setting('data_directory') AS directory",
    );
    const [key, certificate] = [join(directory, 'server.key'), join(directory, 'server.crt')];
    const made = spawnSync('openssl', [
      ...['req', '-x509', '-nodes', '-newkey', 'rsa:2048', '-days', '5', '-subj', '/CN=db.test'],
      ...['-keyout', key, '-out', certificate],
    ]);
    expect(made.status).toBe(0);
    const { uid, gid } = statSync(directory);
    for (const path of [key, certificate]) chownSync(path, uid, gid);
    await client.execute('ALTER SYSTEM SET ssl = on');
    await client.query('SELECT pg_reload_conf()');
    // An address that is none of loopback, and leads to this machine.
    const at = (query: string) => {
      const url = new URL(target.url);
      url.hostname = '0.0.0.0';
      url.search = query;
      return externalTarget(url.href);
    };
    const tls = async (query: string) => {
      const { check } = await look(['tls'], { target: at(query), root: place.home });
      return check('tls');
    };
    await expect.poll(async () => (await tls('sslmode=require')).state).toBe('warning');
    expect(await tls('sslmode=require')).toMatchObject({
      summary: expect.stringMatching(/^TLSv1\.\d, but nobody checked/),
      runbook: { id: 'database-connection' },
    });
    const checked = `sslmode=verify-ca&sslrootcert=${encodeURIComponent(certificate)}`;
    expect(await tls(checked)).toMatchObject({ state: 'ok' });
    expect(() => at('sslmode=disable')).toThrow(/unencrypted/);
    // The runbook sees the certificate itself, and that it ends soon.
    const probe = await probeTls(parseDatabaseUrl(at(checked).url), {
      timeoutSeconds: 5,
      signal,
      now: new Date(),
    });
    expect(probe).toMatchObject({ subject: expect.stringContaining('db.test'), daysLeft: 4 });
  },
);

it('finds the connections used up', async () => {
  const others = await Promise.all(Array.from({ length: 82 }, () => openClient(target, options)));
  try {
    const { check } = await examine(['connections', 'database']);
    expect(check('connections').state).toBe('warning');
    expect(check('database').state).toBe('ok');
  } finally {
    await Promise.all(others.map((other) => other.close()));
  }
});

it('finds the server stopped', async () => {
  await client.close();
  await stopEmbedded({ home: place.home, ...job });
  const { report, check } = await examine([]);
  expect(check('database')).toMatchObject({
    state: 'critical',
    runbook: { id: 'database-connection' },
  });
  const dependent = ['schema', 'grants', 'incidents', 'last-run', 'served-batch', 'bloat'];
  expect(dependent.map((name) => check(name).state)).toEqual(dependent.map(() => 'unknown'));
  expect(report.checks.some(({ name, state }) => name === 'views' && state === 'ok')).toBe(false);
});
