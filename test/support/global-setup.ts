import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { configSchema } from '../../src/config/schema.js';
import { withClient } from '../../src/database/client.js';
import { ensureEmbedded, resetEmbedded } from '../../src/database/embedded/index.js';
import { migrate } from '../../src/database/migrate.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** URL of the server all tests share, with its password. */
    databaseUrl: string;
    /** A database that holds the schema and no rows. */
    databaseTemplate: string;
  }
}

const template = 'reviewops_template';

interface Shared {
  users: number;
  server: Promise<{ url: string; stop: () => Promise<void> }> | undefined;
}

// Each project of a run calls setup; they share one server.
const key = Symbol.for('reviewops.test.server');
const holder = globalThis as unknown as Record<symbol, Shared | undefined>;

/** Starts a server for the whole run and prepares the template that tests clone. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  holder[key] ??= { users: 0, server: undefined };
  const shared = holder[key];
  shared.users += 1;
  shared.server ??= start();
  const { url, stop } = await shared.server;
  project.provide('databaseUrl', url);
  project.provide('databaseTemplate', template);
  return async () => {
    shared.users -= 1;
    if (shared.users > 0) return;
    shared.server = undefined;
    await stop();
  };
}

async function start(): Promise<{ url: string; stop: () => Promise<void> }> {
  const home = await mkdtemp(join(tmpdir(), 'reviewops-test-'));
  const config = configSchema.parse({});
  const job = {
    signal: new AbortController().signal,
    report: () => undefined,
    now: () => new Date(),
  };
  const target = await ensureEmbedded({ home, config, ...job });
  const options = { purpose: 'test setup', settings: config.database, signal: job.signal };
  await withClient(target, options, async (client) => {
    // The tests' data may be lost with the power; their time may not.
    await client.execute('ALTER SYSTEM SET synchronous_commit = off');
    await client.execute('ALTER SYSTEM SET fsync = off');
    // It would come at moments of its own; a test of autovacuum has a server of its own.
    await client.execute("ALTER SYSTEM SET autovacuum_naptime = '7d'");
    await client.query('SELECT pg_reload_conf()');
    await client.execute(`CREATE DATABASE ${template}`);
  });
  const url = new URL(target.url);
  url.pathname = `/${template}`;
  await migrate({ ...target, url: url.href }, config, job);
  return {
    url: target.url,
    stop: async () => {
      await resetEmbedded({ home, ...job });
      await rm(home, { recursive: true, force: true });
    },
  };
}
