import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parse } from 'dotenv';
import { configSchema } from '../../src/config/schema.js';
import { logIn } from '../../src/credentials/database/login.js';
import type { DatabaseClient } from '../../src/database/client.js';
import { type RunbookWorld, runbookWorld } from './runbooks.js';

export interface RotationWorld extends RunbookWorld {
  /** Names of the two login roles and their owner, of this world alone. */
  a: string;
  b: string;
  owner: string;
  admin: DatabaseClient;
  envFile: string;
  /** The URL that the `.env` hands out now. */
  handedOut(): Promise<string>;
}

export interface RotationWorldOptions {
  /** Of `credentials.database`. */
  database?: object;
  health?: object;
  /** Further variables; they may change later. */
  variables?: Record<string, string>;
}

const settings = configSchema.parse({}).database;

/** Where the sink writes a `.env` before it takes its place; a kill leaves it to the next command. */
export const stagingOf = (envFile: string): string =>
  join(dirname(envFile), `.${basename(envFile)}.next.tmp`);

/** Logs in with a URL; throws when it is dead. */
export const logInWith = (url: string) =>
  logIn(url, { settings, signal: new AbortController().signal });

/** A database with two login roles and an owner, the first of which a `.env` hands out. */
export async function rotationWorld(options: RotationWorldOptions = {}): Promise<RotationWorld> {
  const id = randomBytes(4).toString('hex');
  const [a, b, owner] = [`app_${id}_a`, `app_${id}_b`, `app_${id}`];
  const world = await runbookWorld({
    settings: {
      health: options.health ?? {},
      credentials: {
        database: { roles: [a, b], owner, soakHours: 0, verifications: 2, ...options.database },
      },
    },
  });
  const admin = await world.client();
  const password = `Old1${id}password`;
  await admin.execute(`CREATE ROLE ${owner} NOLOGIN`);
  await admin.execute(`CREATE ROLE ${a} LOGIN PASSWORD '${password}'`);
  await admin.execute(`GRANT ${owner} TO ${a}`);
  await admin.execute(`GRANT USAGE ON SCHEMA amazon TO ${owner}`);
  await admin.execute(`GRANT ALL ON ALL TABLES IN SCHEMA amazon TO ${owner}`);
  const url = new URL(world.database.target.url);
  url.username = a;
  url.password = password;
  const envFile = join(world.root, '.env');
  await writeFile(envFile, `# kept\nOTHER='a b' # why\nNEON_DB_URL=${url.href}\nLAST=1\n`, {
    mode: 0o600,
  });
  world.services.surroundings = async () => ({
    profile: 'test',
    directory: world.root,
    lookup: (name) => {
      const value =
        name === 'REVIEWOPS_DATABASE_ADMIN_URL'
          ? world.database.target.url
          : options.variables?.[name];
      return value === undefined ? undefined : { value, source: `environment ${name}` };
    },
  });
  const disposeWorld = world.dispose.bind(world);
  return Object.assign(world, {
    a,
    b,
    owner,
    admin,
    envFile,
    handedOut: async () => parse(await readFile(envFile)).NEON_DB_URL ?? '',
    dispose: async () => {
      for (const role of [a, b, owner]) await dropRole(admin, role);
      await disposeWorld();
    },
  });
}

async function dropRole(admin: DatabaseClient, role: string): Promise<void> {
  const there = await admin.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
  if (there.length === 0) return;
  await admin.execute(`DROP OWNED BY ${role} CASCADE`);
  await admin.execute(`DROP ROLE ${role}`);
}
