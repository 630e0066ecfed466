import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { configSchema } from '../src/config/schema.js';
import { type DatabaseClient, withClient } from '../src/database/client.js';
import { ensureEmbedded, resetEmbedded } from '../src/database/embedded/index.js';
import type { DatabaseTarget } from '../src/database/target.js';
import { cleanEnvironment, type Measured, measure } from './process.js';

export const root = fileURLToPath(new URL('..', import.meta.url));
const launcher = join(root, 'bin', 'run.js');

export const config = configSchema.parse({});
export const job = {
  signal: new AbortController().signal,
  report: () => undefined,
  now: () => new Date(),
};

export interface CliRun<Result> extends Measured {
  result: Result;
}

/** A state directory of the bench's own, with an embedded database and a lake. */
export interface Home {
  directory: string;
  /** The built command line with `--json`, in a process of its own. */
  cli<Result>(...args: string[]): Promise<CliRun<Result>>;
  target(): Promise<DatabaseTarget>;
  sql<T>(work: (client: DatabaseClient) => Promise<T>): Promise<T>;
  /** Forgets all batches. */
  emptyLake(): Promise<void>;
}

/**
 * Lends a state directory to the work. A temporary one is removed afterwards; one below `parent`
 * stays, with its data, for the next time.
 */
export async function withHome<T>(
  parent: string | undefined,
  name: string,
  work: (home: Home) => Promise<T>,
): Promise<T> {
  const directory =
    parent === undefined
      ? await mkdtemp(join(tmpdir(), 'reviewops-bench-'))
      : resolve(parent, name);
  await mkdir(directory, { recursive: true });
  const home = openHome(directory);
  try {
    return await work(home);
  } finally {
    if (parent === undefined) {
      await resetEmbedded({ home: directory, ...job });
      await rm(directory, { recursive: true, force: true });
    } else {
      await home.cli('local', 'stop');
    }
  }
}

function openHome(directory: string): Home {
  const target = () => ensureEmbedded({ home: directory, config, ...job });
  return {
    directory,
    cli: async <Result>(...args: string[]) => {
      const run = await measure(
        process.execPath,
        [launcher, ...args, '--json', '--quiet', '--home', directory],
        { cwd: directory, env: cleanEnvironment(directory) },
      );
      return { ...run, result: (JSON.parse(run.stdout) as { result: Result }).result };
    },
    target,
    sql: async (work) =>
      withClient(
        await target(),
        { purpose: 'bench', settings: config.database, signal: job.signal },
        work,
      ),
    emptyLake: () => rm(join(directory, 'data'), { recursive: true, force: true }),
  };
}

export interface Imported {
  read: number;
  seconds: number;
}

/**
 * Fills the home's database with the generated sample.
 *
 * @returns what the import said; undefined when an earlier bench left the same data
 */
export async function importSample(home: Home, reviews: number): Promise<Imported | undefined> {
  await home.cli('db', 'init');
  const present = await home.sql((client) =>
    client.query<{ rows: string }>('SELECT count(*)::text AS rows FROM amazon.review'),
  );
  if (Number(present[0]?.rows) === reviews) return undefined;
  const { result } = await home.cli<Imported>('db', 'import', '--sample', String(reviews));
  // What the server would otherwise do in the middle of a measurement.
  await home.sql(async (client) => {
    await client.execute('VACUUM ANALYZE');
    await client.execute('CHECKPOINT');
  });
  return result;
}
