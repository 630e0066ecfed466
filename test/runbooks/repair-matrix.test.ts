import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ensureEmbedded, stopEmbedded } from '../../src/database/embedded/index.js';
import { batchPrefix, manifestKey } from '../../src/lake/layout.js';
import { requireLayer } from '../../src/lake/publish.js';
import { runPipeline } from '../../src/pipeline/run.js';
import { loadRunbook } from '../../src/runbooks/index.js';
import { crashMatrix } from '../support/crash-matrix.js';
import { type RunbookWorld, runbookWorld } from '../support/runbooks.js';
import { insertReviews } from '../support/world.js';

/**
 * The whole crash matrix of each repair: killed before and after every entry of its journal. Takes
 * minutes each, so it runs only with REVIEWOPS_CRASH_MATRIX=all (one at a time, with -t: the runs
 * that were abandoned keep their leases alive in the process); repair-crashes.test.ts kills each
 * of them in the middle every time.
 */
const all = process.env.REVIEWOPS_CRASH_MATRIX === 'all';
const batchId = '20260102_030405';
const job = {
  report: () => undefined,
  signal: new AbortController().signal,
  now: () => new Date(),
};

const publish = async (world: RunbookWorld) =>
  runPipeline(
    {
      job,
      config: world.services.config,
      lake: world.lake,
      database: world.services.database,
      pseudonymKey: await world.services.pseudonymKey(),
      scratch: await world.services.scratch(),
      logsDirectory: join(world.home, 'logs'),
      tool: world.services.tool,
      redact: (text) => text,
    },
    { command: 'run', batchId, from: 'extract', to: 'load' },
  );

const loseLayers = async (world: RunbookWorld, ...layers: ('silver' | 'gold')[]) => {
  for (const layer of layers) {
    const keys: string[] = [];
    for await (const { key } of world.lake.list(batchPrefix(layer, batchId))) keys.push(key);
    await world.lake.remove(keys);
  }
};

const breaks: Record<string, (world: RunbookWorld) => Promise<unknown>> = {
  'silver-missing': (world) => loseLayers(world, 'silver', 'gold'),
  'gold-incomplete': ({ lake }) => lake.remove([manifestKey('gold', batchId)]),
  'parquet-not-found': async ({ lake }) => {
    const { manifest } = await requireLayer(lake, 'silver', batchId);
    await lake.remove([manifest.tables[0]?.files[0]?.key ?? '']);
  },
  'corrupt-batch': async ({ lake, root }) => {
    const { manifest } = await requireLayer(lake, 'bronze', batchId);
    const path = join(root, 'data', manifest.tables[0]?.files[0]?.key ?? '');
    const bytes = await readFile(path);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff;
    await writeFile(path, bytes);
  },
  'inconsistent-rows': async (world) => {
    const client = await world.client();
    await client.execute("UPDATE amazon.fact_reviews SET review_id = 'x' || review_id");
  },
  'relation-not-found': async (world) => {
    const client = await world.client();
    await client.execute('DROP TABLE amazon.fact_reviews CASCADE');
  },
};

/** What each layer holds, and what is served. */
const picture = async (world: RunbookWorld) => {
  const layers: Record<string, unknown> = {};
  for (const layer of ['bronze', 'silver', 'gold'] as const) {
    const { manifest } = await requireLayer(world.lake, layer, batchId);
    layers[layer] = manifest.tables.map(({ name, rows }) => `${name} ${rows}`);
  }
  const client = await world.client();
  const served = await client.query(
    'SELECT count(*)::int AS facts, (SELECT count(*)::int FROM amazon.product_summary) AS views FROM amazon.fact_reviews',
  );
  const leases: string[] = [];
  for await (const { key } of world.lake.list('leases/')) leases.push(key);
  return { layers, served, leases };
};

describe.skipIf(!all)('the whole crash matrix of each repair', () => {
  it.each(Object.keys(breaks))('%s', { timeout: 3_600_000 }, async (id) => {
    const points = await crashMatrix(await loadRunbook(id), {
      makeWorld: async () => {
        const world = await runbookWorld();
        await insertReviews(await world.client(), 20);
        await publish(world);
        await breaks[id]?.(world);
        return world;
      },
      picture,
    });
    expect(points).toBeGreaterThan(30);
  });

  it('database-connection', { timeout: 3_600_000 }, async () => {
    const points = await crashMatrix(await loadRunbook('database-connection'), {
      makeWorld: async () => {
        const world = await runbookWorld({ database: false });
        const { config } = world.services;
        const start = () => ensureEmbedded({ home: world.home, config, ...job });
        world.services.databaseUrl = async () => undefined;
        world.services.database = start;
        await start();
        await stopEmbedded({ home: world.home, ...job });
        const dispose = world.dispose.bind(world);
        world.dispose = async () => {
          await stopEmbedded({ home: world.home, ...job });
          await dispose();
        };
        return world;
      },
      picture: async () => 'it runs, or the run has failed',
    });
    expect(points).toBeGreaterThan(20);
  });
});
