import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { openClient, withClient } from '../../src/database/client.js';
import { ping } from '../../src/database/ping.js';
import type { DatabaseTarget } from '../../src/database/target.js';
import { externalTarget } from '../../src/database/url.js';
import { isOperatorError } from '../../src/system/errors.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const config = configSchema.parse({ database: { connectTimeoutSeconds: 1 } });
const settings = config.database;
const never = new AbortController().signal;
const options = (signal = never) => ({ purpose: 'test', settings, signal });

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** The same place as an external database, with parts of the URL changed. */
const changed = (change: (url: URL) => void): DatabaseTarget => {
  const url = new URL(database.target.url);
  url.search = '';
  change(url);
  return externalTarget(url.href);
};

/** A server that hands connections to the database until told to hold everything back. */
async function gate(): Promise<{ target: DatabaseTarget; hold(): void; close(): void }> {
  const { port } = new URL(database.target.url);
  const sockets: Socket[] = [];
  let held = false;
  const server = createServer((incoming) => {
    sockets.push(incoming);
    incoming.on('error', () => undefined);
    if (held) return;
    const outgoing = connect({ host: '127.0.0.1', port: Number(port) });
    outgoing.on('error', () => undefined);
    sockets.push(outgoing);
    incoming.pipe(outgoing);
    outgoing.pipe(incoming);
  });
  const listening = await listen(server);
  return {
    target: changed((url) => {
      url.port = String(listening);
    }),
    hold: () => {
      held = true;
      for (const socket of sockets) socket.unpipe().pause();
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });

const timed = async (work: Promise<unknown>): Promise<{ error: unknown; milliseconds: number }> => {
  const start = performance.now();
  const error = await work.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  return { error, milliseconds: performance.now() - start };
};

describe('a connection that fails', () => {
  it.each([
    ['DATABASE_PASSWORD_REJECTED', (url: URL) => (url.password = 'kX9-wrong'), ''],
    ['DATABASE_NOT_FOUND', (url: URL) => (url.pathname = '/nothing'), ''],
    ['DATABASE_UNREACHABLE', (url: URL) => (url.port = '1'), 'at TCP'],
    ['DATABASE_UNREACHABLE', (url: URL) => (url.host = 'db.invalid'), 'at DNS'],
    ['DATABASE_TLS_MISSING', (url: URL) => (url.search = '?sslmode=require'), 'TLS'],
  ])('is named %s, status 5', async (code, change, stage) => {
    const target = changed((url) => {
      change(url);
      if (url.hostname === 'db.invalid') url.search = '?sslmode=require';
    });
    const { error } = await timed(ping(target, config, { signal: never } as never));
    expect(error).toMatchObject({ code, exitCode: 5, hint: expect.any(String) });
    expect(isOperatorError(error) && error.message).toContain(target.description);
    expect(isOperatorError(error) && error.message).toContain(stage);
    expect(JSON.stringify([error, String(error)])).not.toContain('kX9-wrong');
  });

  it('gives up on a server that says nothing, and says where', async () => {
    const silent = await gate();
    silent.hold();
    const { error, milliseconds } = await timed(openClient(silent.target, options()));
    silent.close();
    expect(error).toMatchObject({ code: 'DATABASE_UNREACHABLE', exitCode: 5 });
    expect(String(error)).toContain('at login');
    expect(milliseconds).toBeLessThan(5000);
  });

  it('ends at once when the operator stops it', async () => {
    const silent = await gate();
    silent.hold();
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    const { error, milliseconds } = await timed(openClient(silent.target, options(stop.signal)));
    silent.close();
    expect(error).toMatchObject({ code: 'INTERRUPTED', exitCode: 130 });
    expect(milliseconds).toBeLessThan(3000);
  });
});

describe('an interruption', () => {
  it('cancels the statement on the server', async () => {
    const stop = new AbortController();
    const client = await openClient(database.target, options(stop.signal));
    const running = timed(client.query('SELECT pg_sleep(60)'));
    setTimeout(() => stop.abort(), 100);
    const { error, milliseconds } = await running;
    await client.close();
    expect(error).toMatchObject({ code: 'INTERRUPTED' });
    expect(milliseconds).toBeLessThan(4000);
    const observer = await database.client();
    expect(
      await observer.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(60)'
        AND state = 'active' AND pid <> pg_backend_pid()`),
    ).toEqual([]);
  });

  it('rolls the transaction back', async () => {
    const stop = new AbortController();
    const client = await openClient(database.target, options(stop.signal));
    const running = timed(
      client.transaction(async () => {
        await client.execute('CREATE TABLE half (id integer)');
        setTimeout(() => stop.abort(), 20);
        await client.query('SELECT pg_sleep(60)');
      }),
    );
    expect((await running).error).toMatchObject({ code: 'INTERRUPTED' });
    await client.close();
    const observer = await database.client();
    expect(await observer.query(`SELECT to_regclass('half') AS half`)).toEqual([{ half: null }]);
  });

  it('takes less than two seconds even when the server hangs', async () => {
    const stop = new AbortController();
    const hanging = await gate();
    const client = await openClient(hanging.target, options(stop.signal));
    const running = timed(
      client.transaction(async () => {
        hanging.hold();
        setTimeout(() => stop.abort(), 50);
        await client.query('SELECT pg_sleep(1)');
      }),
    );
    const { error, milliseconds } = await running;
    const closing = await timed(client.close());
    hanging.close();
    expect(error).toMatchObject({ code: 'INTERRUPTED' });
    expect(milliseconds + closing.milliseconds).toBeLessThan(4000);
  });
});

describe('a session', () => {
  it('has the configured limits and unambiguous formats', async () => {
    const limits = { ...settings, lockTimeoutSeconds: 7, statementTimeoutSeconds: 0.5 };
    await withClient(
      database.target,
      { ...options(), settings: limits, readOnly: true },
      async (client) => {
        expect(
          await client.query(
            `SELECT current_setting('lock_timeout') AS lock, current_setting('TimeZone') AS zone,
                    current_setting('application_name') AS name, current_setting('DateStyle') AS style`,
          ),
        ).toEqual([{ lock: '7s', zone: 'UTC', name: 'reviewops test', style: 'ISO, YMD' }]);
        await expect(client.execute('CREATE TABLE t ()')).rejects.toMatchObject({
          code: 'DATABASE_ERROR',
        });
        await expect(client.query('SELECT pg_sleep(9)')).rejects.toMatchObject({
          code: 'DATABASE_STATEMENT_CANCELLED',
        });
      },
    );
  });

  it('sets them in each transaction where a pooler would forget them', async () => {
    const pooled: DatabaseTarget = { ...database.target, endpoint: 'pooler' };
    await withClient(pooled, options(), async (client) => {
      const limit = `SELECT current_setting('lock_timeout') AS limit`;
      expect(await client.query(limit)).toEqual([{ limit: '0' }]);
      await client.transaction(async () => {
        expect(await client.query(limit)).toEqual([{ limit: '30s' }]);
      });
      expect(await client.query(limit)).toEqual([{ limit: '0' }]);
    });
  });

  it.each(['loopback', 'pooler'] as const)(
    'a read-only target refuses writes (%s)',
    async (endpoint) => {
      const target: DatabaseTarget = { ...database.target, endpoint, readOnly: true };
      await withClient(target, options(), async (client) => {
        expect(await client.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
        await expect(client.execute('CREATE TABLE t ()')).rejects.toThrow(/read-only/);
        await expect(client.transaction(() => client.execute('CREATE TABLE t ()'))).rejects.toThrow(
          /read-only/,
        );
      });
    },
  );

  it('says so when its server goes away in the middle', async () => {
    const [client, admin] = [await database.client(), await database.client()];
    const [me] = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const running = timed(client.query('SELECT pg_sleep(60)'));
    await admin.query('SELECT pg_terminate_backend($1)', [me?.pid]);
    expect((await running).error).toMatchObject({ code: 'DATABASE_UNREACHABLE', exitCode: 5 });
    expect((await timed(client.query('SELECT 1'))).error).toMatchObject({ exitCode: 5 });
  });

  it('does not blame the database for a file that is not there', async () => {
    const client = await database.client();
    const missing = Object.assign(new Error('no such file'), { code: 'ENOENT', syscall: 'open' });
    await expect(client.use(() => Promise.reject(missing))).rejects.toBe(missing);
  });
});

describe('ping', () => {
  it('says what answers and how fast', async () => {
    const result = await ping(database.target, config, { signal: never } as never);
    expect(result).toEqual({
      server: expect.stringMatching(/^18\.\d+$/),
      database: expect.stringMatching(/^test_/),
      role: 'reviewops',
      latencySeconds: {
        connect: expect.any(Number),
        min: expect.any(Number),
        median: expect.any(Number),
      },
      tls: { on: false, version: null, cipher: null, verified: null },
      endpoint: 'loopback',
      kind: 'embedded',
      schema: 'current',
      description: database.target.description,
    });
    expect(result.latencySeconds.min).toBeGreaterThan(0);
    expect(result.latencySeconds.median).toBeGreaterThanOrEqual(result.latencySeconds.min);
  });
});
