import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetSource } from '../../src/engine/parquet.js';
import { type Engine, literal, openEngine } from '../../src/engine/session.js';
import type { Identifiers } from '../../src/privacy/identifiers.js';
import { derivePrivacyKeys } from '../../src/privacy/keys.js';
import { recordRequest } from '../../src/privacy/requests.js';
import type { RunbookServices } from '../../src/runbooks/engine/definition.js';
import { resumeRun, startRun } from '../../src/runbooks/engine/runner.js';
import erasePerson from '../../src/runbooks/erase-person.js';
import { type CliOptions, runCli } from '../support/cli.js';
import { completeBatch } from '../support/repairs.js';
import { collect, type RunChoices, type RunOutcome, yes } from '../support/runbooks.js';
import { testServices } from '../support/services.js';
import { makeWorld, type World } from '../support/world.js';

export const nobodyGiven: Identifiers = { customer: [], buyer: [], email: [], phone: [] };

/** A world whose people can ask to be forgotten. */
export interface PrivacyWorld extends World {
  services: RunbookServices;
  clock: { now: () => Date };
  request(requestId: string, identifiers: Partial<Identifiers>, receivedAt?: Date): Promise<void>;
  erase(input: object, choices?: RunChoices): Promise<RunOutcome>;
  resume(runId: string, choices?: RunChoices): Promise<RunOutcome>;
  batch(): Promise<string>;
}

export async function makePrivacyWorld(
  options: { reviews?: number; settings?: object; world?: World } = {},
): Promise<PrivacyWorld> {
  const world = options.world ?? (await makeWorld(options));
  const { environment, lake, root, database } = world;
  const clock = { now: () => new Date() };
  const services = testServices({
    root,
    home: join(root, 'home'),
    lake,
    database: database.target,
    settings: options.settings,
    now: () => clock.now(),
  });
  const runOptions = (choices: RunChoices) => ({
    services,
    ask: choices.ask ?? yes('ada'),
    signal: choices.signal ?? new AbortController().signal,
    ...(choices.dryRun === undefined ? {} : { dryRun: choices.dryRun }),
  });
  return {
    ...world,
    services,
    clock,
    request: async (requestId, identifiers, receivedAt = new Date()) => {
      await recordRequest(
        lake,
        derivePrivacyKeys(environment.pseudonymKey),
        { requestId, identifiers: { ...nobodyGiven, ...identifiers }, receivedAt, by: 'ada' },
        { now: () => new Date(Math.max(Date.now(), receivedAt.getTime())), weekends: 'after' },
      );
    },
    erase: (input, choices = {}) =>
      collect(startRun(erasePerson, input, runOptions(choices)), choices),
    resume: (runId, choices = {}) =>
      collect(resumeRun(erasePerson, runId, runOptions(choices)), choices),
    batch: () => completeBatch(world),
  };
}

/** Puts a Parquet file of these rows, a query of the engine, into the lake. */
export const putParquet = (world: World, key: string, query: string): Promise<void> =>
  withEngine(world, async (engine, scratch) => {
    const path = join(scratch, 'file.parquet');
    await engine.run(`COPY (${query}) TO ${literal(path)} (FORMAT parquet)`);
    await world.lake.put(key, await readFile(path));
  });

/** How many rows of a Parquet file of the lake fulfil a condition of the engine. */
export const parquetRows = (world: World, key: string, condition: string): Promise<number> =>
  withEngine(world, async (engine, scratch) => {
    const { path } = await world.lake.fetch(key, scratch);
    const [row] = await engine.rows<{ rows: number }>(
      `SELECT count(*) AS rows FROM ${parquetSource([path])} WHERE ${condition}`,
    );
    return row?.rows ?? 0;
  });

async function withEngine<T>(
  { root }: World,
  work: (engine: Engine, scratch: string) => Promise<T>,
): Promise<T> {
  const scratch = await mkdtemp(join(root, 'parquet-'));
  const signal = new AbortController().signal;
  const engine = await openEngine({ memoryLimit: '256MB', threads: 1, scratch, signal });
  try {
    return await work(engine, scratch);
  } finally {
    await engine.close();
    await rm(scratch, { recursive: true });
  }
}

/** Runs the built program on the world's database and local lake. */
export const cliOn = (
  { root, database }: World,
  args: string[],
  options: Pick<CliOptions, 'input' | 'env'> = {},
) =>
  runCli(args, {
    cwd: root,
    ...options,
    env: {
      NEON_DB_URL: database.target.url,
      REVIEWOPS_PSEUDONYM_KEY: 'a key of the tests, long enough',
      REVIEWOPS_LAKE_PATH: join(root, 'data'),
      ...options.env,
    },
  });
