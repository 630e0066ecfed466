import { runPipeline } from '../../src/pipeline/run.js';
import type { Runbook, RunbookServices } from '../../src/runbooks/engine/definition.js';
import { type RunOptions, type RunReport, startRun } from '../../src/runbooks/engine/runner.js';
import { answering } from './answers.js';
import { runInProcess, runsIn } from './killed-runs.js';
import type { EventPoint, RunOrder } from './run-process.js';
import { testServices } from './services.js';
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
  /**
   * Runs it in another process that dies at an event of the run, as in a power cut; then resumes it
   * in a third. Undefined when the run ended without such an event.
   */
  crash(
    runbook: Runbook,
    dieAt: EventPoint,
    input?: object,
    answer?: 'yes' | 'no',
  ): Promise<RunReport | undefined>;
  /** Everything a repair may change: the lake's objects and the served rows. */
  picture(): Promise<unknown>;
}

export async function makeBrokenWorld(
  options: { reviews?: number; settings?: object; services?: Partial<RunbookServices> } = {},
): Promise<BrokenWorld> {
  const world = await makeWorld(options);
  const { lake, root, client } = world;
  const signal = new AbortController().signal;
  const services: RunbookServices = {
    ...testServices({
      root,
      home: root,
      lake,
      database: world.database.target,
      settings: options.settings,
    }),
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
      return toEnd(run);
    },
    crash: async (runbook, dieAt, input = {}, answer = 'yes') => {
      const order: RunOrder = {
        runbook: runbook.id,
        input,
        root,
        home: root,
        database: world.database.target,
        settings: options.settings,
        answer: 'yes',
      };
      const before = new Set(await runsIn(root));
      if ((await runInProcess({ ...order, dieAt })) !== 'killed') return undefined;
      const resume = (await runsIn(root)).find((id) => !before.has(id));
      const report = await runInProcess({ ...order, answer, resume });
      if (report === 'killed') throw new Error('It was told not to die.');
      return report;
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

async function toEnd(run: AsyncGenerator<unknown, RunReport>): Promise<RunReport> {
  for (;;) {
    const next = await run.next();
    if (next.done === true) return next.value;
  }
}

/** One whole batch, from the source to the serving table. */
export const completeBatch = async (world: World): Promise<string> =>
  (await runPipeline(await world.another(), { command: 'run', from: 'extract', to: 'load' }))
    .batchId;
