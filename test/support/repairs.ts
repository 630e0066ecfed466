import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runPipeline } from '../../src/pipeline/run.js';
import type { Runbook, RunbookServices } from '../../src/runbooks/engine/definition.js';
import { type RunOptions, type RunReport, startRun } from '../../src/runbooks/engine/runner.js';
import { answering } from './answers.js';
import type { RepairOrder } from './repair-process.js';
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
    dieAt: NonNullable<RepairOrder['dieAt']>,
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
    surroundings: async () => ({ lookup: () => undefined, profile: 'test', directory: root }),
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
      return toEnd(run);
    },
    crash: async (runbook, dieAt, input = {}, answer = 'yes') => {
      const order: RepairOrder = {
        runbook: runbook.id,
        input,
        root,
        databaseUrl: world.database.target.url,
        settings: options.settings ?? {},
        answer: 'yes',
        dieAt,
      };
      const before = new Set(await runsIn(root));
      if ((await inProcess(order)) !== undefined) return undefined;
      const [file = ''] = (await runsIn(root)).filter((name) => !before.has(name));
      const { dieAt: _, ...rest } = order;
      return inProcess({ ...rest, answer, resume: file.slice(0, -'.jsonl'.length) });
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

const runsIn = async (home: string): Promise<string[]> => {
  const names = await readdir(join(home, 'runs')).catch(() => []);
  return names.filter((name) => name.endsWith('.jsonl'));
};

const script = fileURLToPath(new URL('./repair-process.ts', import.meta.url));

/** What the other process reports; undefined when it was killed. */
async function inProcess(order: RepairOrder): Promise<RunReport | undefined> {
  const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === null) return undefined;
  if (code !== 0) throw new Error(output.stderr);
  return JSON.parse(output.stdout) as RunReport;
}

/** One whole batch, from the source to the serving table. */
export const completeBatch = async (world: World): Promise<string> =>
  (await runPipeline(await world.another(), { command: 'run', from: 'extract', to: 'load' }))
    .batchId;
