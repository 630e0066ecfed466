import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { type DatabaseClient, openClient, withClient } from '../../src/database/client.js';
import { quoteIdentifier } from '../../src/database/identifiers.js';
import type { DatabaseTarget } from '../../src/database/target.js';

export interface TestDatabase {
  target: DatabaseTarget;
  /** A connection that `drop` closes. */
  client(): Promise<DatabaseClient>;
  /** Removes the database; throws when somebody else's connection to it is still open. */
  drop(): Promise<void>;
}

const settings = configSchema.parse({}).database;
const never = new AbortController().signal;

/** A target on the shared server, for a database by name. */
export function testTarget(database: string): DatabaseTarget {
  const url = new URL(inject('databaseUrl'));
  url.pathname = `/${database}`;
  return {
    url: url.href,
    kind: 'embedded',
    endpoint: 'loopback',
    description: `${url.host}/${database}`,
  };
}

/**
 * A database of its own with the schema of the default configuration, without rows; `empty: true`
 * gives one without the schema. Make it in beforeAll, drop it in afterAll.
 */
export async function createTestDatabase(options: { empty?: boolean } = {}): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  const template = options.empty === true ? 'template0' : inject('databaseTemplate');
  await administer((admin) =>
    admin.execute(`CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE ${quoteIdentifier(template)}`),
  );
  const target = testTarget(name);
  const clients: DatabaseClient[] = [];
  return {
    target,
    client: async () => {
      const client = await openClient(target, { purpose: 'test', settings, signal: never });
      clients.push(client);
      return client;
    },
    drop: async () => {
      await Promise.all(clients.map((client) => client.close()));
      await administer(async (admin) => {
        const leaked = await leftOpen(admin, name);
        await admin.execute(`DROP DATABASE ${quoteIdentifier(name)} WITH (FORCE)`);
        if (leaked.length > 0) {
          throw new Error(`Connections were left open: ${leaked.join(', ')}`);
        }
      });
    },
  };
}

/** A backend ends a moment after its connection; who stays longer was forgotten. */
async function leftOpen(admin: DatabaseClient, name: string): Promise<string[]> {
  const until = Date.now() + 20_000;
  for (;;) {
    const rows = await admin.query<{ application_name: string }>(
      `SELECT application_name FROM pg_stat_activity
       WHERE datname = $1 AND backend_type = 'client backend'`,
      [name],
    );
    if (rows.length === 0 || Date.now() > until) {
      return rows.map(({ application_name }) => application_name);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const administer = <T>(work: (admin: DatabaseClient) => Promise<T>): Promise<T> =>
  withClient(testTarget('reviewops'), { purpose: 'test admin', settings, signal: never }, work);
