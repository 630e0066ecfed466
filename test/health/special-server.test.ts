import { afterAll, beforeAll, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { type DatabaseClient, openClient, withClient } from '../../src/database/client.js';
import { ensureEmbedded, stopEmbedded } from '../../src/database/embedded/index.js';
import { migrate } from '../../src/database/migrate.js';
import type { DatabaseTarget } from '../../src/database/target.js';
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
