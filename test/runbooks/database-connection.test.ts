import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { embeddedStatus, ensureEmbedded, stopEmbedded } from '../../src/database/embedded/index.js';
import { migrate } from '../../src/database/migrate.js';
import databaseConnection from '../../src/runbooks/database-connection.js';
import { registerSecretUrl } from '../../src/system/redact.js';
import { answering } from '../support/answers.js';
import { createTestDatabase } from '../support/database.js';
import { makeHome } from '../support/home.js';
import { type BrokenWorld, makeBrokenWorld } from '../support/repairs.js';
import { nobody } from '../support/runbooks.js';

const signal = new AbortController().signal;

describe('database-connection', () => {
  let world: BrokenWorld;
  beforeAll(async () => {
    world = await makeBrokenWorld({
      reviews: 10,
      settings: { database: { connectTimeoutSeconds: 1 } },
    });
  });
  afterAll(() => world.dispose());

  const at = (change: (url: URL) => void): string => {
    const url = new URL(world.database.target.url);
    change(url);
    return url.href;
  };
  const diagnose = (url: string) => {
    registerSecretUrl(url);
    return world.repair(
      databaseConnection,
      {},
      { services: { ...world.services, databaseUrl: async () => url }, ask: nobody },
    );
  };
  const states = (report: Awaited<ReturnType<typeof diagnose>>) =>
    Object.fromEntries(
      report.steps
        .filter(({ kind, state }) => kind === 'check' && state !== 'pending')
        .map(({ id, state, finding }) => [id, finding?.state ?? state]),
    );

  it('finds nothing to do when the way is free, and changes nothing', async () => {
    const before = await world.picture();
    const report = await diagnose(world.database.target.url);
    expect(report).toMatchObject({ state: 'succeeded', exitCode: 0, branch: null });
    expect(report.plan?.targets).toEqual([]);
    expect(states(report)).toMatchObject({
      tcp: 'ok',
      login: 'ok',
      role: 'ok',
      schema: 'ok',
      prove: 'ok',
    });
    expect(await world.picture()).toEqual(before);
  });

  it.each<[string, string, (url: URL) => void, string, RegExp]>([
    [
      'a host that nobody knows',
      'dns',
      (url) => {
        url.hostname = 'no-such-host.invalid';
        url.searchParams.set('sslmode', 'require');
      },
      'DATABASE_HOST_UNKNOWN',
      /letter by letter/,
    ],
    [
      'a port where nothing listens',
      'tcp',
      (url) => {
        url.port = '1';
      },
      'DATABASE_PORT_CLOSED',
      /ECONNREFUSED.*server is stopped/,
    ],
    [
      'a server without TLS that is asked for it',
      'tls',
      (url) => {
        url.searchParams.set('sslmode', 'require');
      },
      'DATABASE_TLS_MISSING',
      /does not speak TLS/,
    ],
    [
      'a wrong password',
      'login',
      (url) => {
        url.password = 'quite-wrong-9f3';
      },
      'DATABASE_PASSWORD_REJECTED',
      /reset kills the old one/,
    ],
    [
      'a database that does not exist',
      'login',
      (url) => {
        url.pathname = '/nowhere';
      },
      'DATABASE_NOT_FOUND',
      /Correct the database name/,
    ],
  ])(
    '%s: stops at %s, skips what needs it, and says what to do',
    async (_w, stage, change, code, words) => {
      const report = await diagnose(at(change));
      const found = states(report);
      expect(found[stage]).toBe('critical');
      const order = ['url', 'dns', 'tcp', 'tls', 'login', 'role', 'schema'];
      for (const later of order.slice(order.indexOf(stage) + 1))
        expect(found[later]).toBe('skipped');
      expect(report.steps.find(({ id }) => id === stage)?.finding?.evidence?.error).toBe(code);
      expect(report.state).toBe('waiting');
      const said: string[] = [];
      await world.repair(
        databaseConnection,
        {},
        {
          services: { ...world.services, databaseUrl: async () => at(change) },
          ask: async (question) => {
            if (question.type === 'manual') said.push(question.instruction);
            return answering('yes')(question);
          },
        },
      );
      expect(said.join()).toMatch(words);
      expect(JSON.stringify([report, said])).not.toContain('quite-wrong-9f3');
    },
  );

  it('is not taken in by something else that listens on the port', async () => {
    const sockets = new Set<Socket>();
    const server: Server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    try {
      const report = await diagnose(
        at((url) => {
          url.port = String(port);
          url.searchParams.set('sslmode', 'require');
        }),
      );
      expect(report.steps.find(({ id }) => id === 'tls')?.summary).toContain(
        'no PostgreSQL server',
      );
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });

  it('refuses a URL that it cannot use, without showing it', async () => {
    const report = await diagnose('mysql://ada:hidden-77@db.example.com/x');
    expect(states(report)).toMatchObject({ url: 'critical', tcp: 'skipped', login: 'skipped' });
    const unencrypted = await diagnose('postgresql://ada:hidden-77@db.example.com/x');
    expect(states(unencrypted)).toMatchObject({ url: 'critical', dns: 'skipped' });
    expect(JSON.stringify([report, unencrypted])).not.toContain('hidden-77');
  });

  it('names the rights that a role lacks, and what to grant', async () => {
    const role = `test_${randomBytes(4).toString('hex')}`;
    await world.client.execute(`CREATE ROLE ${role} LOGIN PASSWORD 'secret-of-${role}'`);
    try {
      const url = at((given) => {
        given.username = role;
        given.password = `secret-of-${role}`;
      });
      const closed = await diagnose(url);
      expect(closed.steps.find(({ id }) => id === 'role')).toMatchObject({
        finding: { state: 'critical', evidence: { closedSchemas: ['amazon', 'maintenance'] } },
      });
      expect(closed).toMatchObject({ state: 'waiting', exitCode: 3 });
      await world.client.execute(`GRANT USAGE ON SCHEMA amazon, maintenance TO ${role}`);
      await world.client.execute(
        `GRANT SELECT ON ALL TABLES IN SCHEMA amazon, maintenance TO ${role}`,
      );
      const reader = await diagnose(url);
      expect(states(reader)).toMatchObject({ role: 'warning', schema: 'ok', prove: 'ok' });
      await world.client.execute(`REVOKE SELECT ON amazon.review FROM ${role}`);
      const blind = await diagnose(url);
      expect(blind.steps.find(({ id }) => id === 'role')?.summary).toContain('amazon.review');
    } finally {
      await world.client.execute(`DROP OWNED BY ${role}`);
      await world.client.execute(`DROP ROLE ${role}`);
    }
  });

  it('leads to the schema when that is all that is missing', async () => {
    const empty = await createTestDatabase({ empty: true });
    try {
      const report = await diagnose(empty.target.url);
      expect(report.branch).toMatchObject({ runbook: 'relation-not-found' });
    } finally {
      await empty.drop();
    }
  });

  it('starts the embedded server that was stopped, when that is approved', async () => {
    const place = await makeHome();
    const config = configSchema.parse({});
    const job = { signal, report: () => undefined, now: () => new Date() };
    try {
      await migrate(await ensureEmbedded({ home: place.home, config, ...job }), config, job);
      await stopEmbedded({ home: place.home, ...job });
      const services = {
        ...world.services,
        home: place.home,
        databaseUrl: async () => undefined,
        database: () => ensureEmbedded({ home: place.home, config, ...job }),
      };
      const declined = await world.repair(databaseConnection, {}, { services, answer: 'no' });
      expect(declined).toMatchObject({ state: 'aborted', exitCode: 3 });
      expect((await embeddedStatus({ home: place.home })).running).toBe(false);
      const report = await world.repair(databaseConnection, {}, { services });
      expect(report).toMatchObject({ state: 'succeeded', exitCode: 0 });
      expect(states(report)).toMatchObject({ server: 'critical', login: 'skipped', prove: 'ok' });
      expect((await embeddedStatus({ home: place.home })).running).toBe(true);
      const again = await world.repair(databaseConnection, {}, { services });
      expect(again.plan?.targets).toEqual([]);
    } finally {
      await place.remove();
    }
  });
});
