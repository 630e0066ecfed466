import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { runPipeline } from '../../src/pipeline/run.js';
import type { Answer, Ask } from '../../src/runbooks/engine/answers.js';
import type { Runbook, RunbookServices } from '../../src/runbooks/engine/definition.js';
import { type RunOptions, type RunReport, startRun } from '../../src/runbooks/engine/runner.js';
import { makeWorld, type World } from './world.js';

/** A world with runbooks in it: what tests break, and what repairs it. */
export interface BrokenWorld extends World {
  services: RunbookServices;
  /** Runs a runbook to its end; everything is approved unless `ask` says otherwise. */
  repair(
    runbook: Runbook,
    input?: object,
    options?: Partial<RunOptions> & { answer?: 'yes' | 'no' },
  ): Promise<RunReport>;
  /** Everything a repair may change: the lake's objects and the served rows. */
  picture(): Promise<unknown>;
}

export const answering =
  (answer: 'yes' | 'no'): Ask =>
  async (question): Promise<Answer> => {
    if (question.type === 'manual') return { type: 'done', by: 'ada', said: 'done as asked' };
    return answer === 'yes' ? { type: 'yes', by: 'ada', how: 'typed' } : { type: 'no', by: 'ada' };
  };

export async function makeBrokenWorld(
  options: { reviews?: number; settings?: object; services?: Partial<RunbookServices> } = {},
): Promise<BrokenWorld> {
  const world = await makeWorld(options);
  const { environment, lake, root, client } = world;
  const signal = new AbortController().signal;
  const services: RunbookServices = {
    config: environment.config,
    home: root,
    database: environment.database,
    databaseUrl: async () => world.database.target.url,
    lake: async () => lake,
    scratch: () => mkdtemp(join(root, 'run-')),
    pseudonymKey: async () => environment.pseudonymKey,
    tool: environment.tool,
    now: () => new Date(),
    ...options.services,
  };
  return {
    ...world,
    services,
    repair: async (runbook, input = {}, { answer = 'yes', ...rest } = {}) => {
      const run = startRun(runbook, input, {
        services,
        ask: answering(answer),
        signal,
        ...rest,
      });
      for (;;) {
        const next = await run.next();
        if (next.done === true) return next.value;
      }
    },
    picture: async () => {
      const objects: string[] = [];
      for (const layer of ['raw/', 'bronze/', 'silver/', 'gold/']) {
        for await (const { key, etag } of lake.list(layer)) objects.push(`${key} ${etag}`);
      }
      const tables = await client.query(
        `SELECT c.relname, c.oid::text FROM pg_class c WHERE relnamespace = 'amazon'::regnamespace ORDER BY 1, 2`,
      );
      const loads = await client
        .query('SELECT * FROM maintenance.fact_loads ORDER BY batch_id')
        .catch(() => 'none');
      return { objects, tables, loads };
    },
  };
}

/** One whole batch, from the source to the serving table. */
export const completeBatch = async (world: World): Promise<string> =>
  (await runPipeline(await world.another(), { command: 'run', from: 'extract', to: 'load' }))
    .batchId;
