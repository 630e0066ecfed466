import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { embeddedStatus, ensureEmbedded, stopEmbedded } from '../../src/database/embedded/index.js';
import { batchPrefix, manifestKey } from '../../src/lake/layout.js';
import { requireLayer } from '../../src/lake/publish.js';
import { readLayer } from '../../src/lake/published.js';
import { runPipeline } from '../../src/pipeline/run.js';
import type { Stage } from '../../src/pipeline/stage.js';
import { loadRunbook } from '../../src/runbooks/index.js';
import { crashRelay } from '../support/crash-matrix.js';
import { rewriteLayer } from '../support/rewrite.js';
import { type RunbookWorld, runbookWorld } from '../support/runbooks.js';
import { insertReviews } from '../support/world.js';

/** The whole crash matrix of each repair: killed before and after every entry of its journal. */
const batchId = '20260102_030405';
const job = {
  report: () => undefined,
  signal: new AbortController().signal,
  now: () => new Date(),
};

const publish = async (world: RunbookWorld, pipeline = {}, from: Stage = 'extract') =>
  runPipeline(
    {
      job,
      config: {
        ...world.services.config,
        pipeline: { ...world.services.config.pipeline, ...pipeline },
      },
      lake: world.lake,
      database: world.services.database,
      pseudonymKey: await world.services.pseudonymKey(),
      scratch: await world.services.scratch(),
      logsDirectory: join(world.home, 'logs'),
      tool: world.services.tool,
      redact: (text) => text,
    },
    { command: 'run', batchId, from, to: 'load' },
  );

const loseLayers = async (world: RunbookWorld, ...layers: ('silver' | 'gold')[]) => {
  for (const layer of layers) {
    const keys: string[] = [];
    for await (const { key } of world.lake.list(batchPrefix(layer, batchId))) keys.push(key);
    await world.lake.remove(keys);
  }
};

interface Case {
  break?: (world: RunbookWorld) => Promise<unknown>;
  reviews?: number;
  settings?: object;
}

/** A file of the layer, with one bit of its middle changed. */
const flip = async ({ lake, root }: RunbookWorld, layer: 'bronze' | 'gold') => {
  const { manifest } = await requireLayer(lake, layer, batchId);
  const path = join(root, 'data', manifest.tables[0]?.files[0]?.key ?? '');
  const bytes = await readFile(path);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff;
  await writeFile(path, bytes);
};

const sql = (text: string) => async (world: RunbookWorld) => (await world.client()).execute(text);

const cases: Record<string, Case> = {
  'silver-missing': { break: (world) => loseLayers(world, 'silver', 'gold') },
  'gold-incomplete': { break: ({ lake }) => lake.remove([manifestKey('gold', batchId)]) },
  'parquet-not-found': {
    break: async ({ lake }) => {
      const { manifest } = await requireLayer(lake, 'silver', batchId);
      await lake.remove([manifest.tables[0]?.files[0]?.key ?? '']);
    },
  },
  'model-crash': {
    break: (world) =>
      rewriteLayer(world, 'silver', batchId, 'review', 'SELECT * EXCLUDE (body) FROM layer'),
  },
  'corrupt-batch': { break: (world) => flip(world, 'bronze') },
  'inconsistent-rows': {
    break: sql("UPDATE amazon.fact_reviews SET review_id = 'x' || review_id"),
  },
  'relation-not-found': {
    break: async (world) => {
      await sql('DROP TABLE amazon.fact_reviews CASCADE')(world);
      await sql('DROP TABLE amazon.carrier CASCADE')(world);
    },
  },
  'join-out-of-memory': {
    reviews: 5000,
    settings: { pipeline: { memoryLimit: '8MB', threads: 2 } },
    break: async (world) => {
      await loseLayers(world, 'silver', 'gold');
      await expect(publish(world, {}, 'transform')).rejects.toMatchObject({
        code: 'ENGINE_OUT_OF_MEMORY',
      });
    },
  },
  // They change nothing, whenever they die.
  'reject-rate': {},
  's3-errors': {},
  'slow-at-peak': {},
};

async function makeWorld({ settings = {}, reviews = 20, ...rest }: Case): Promise<RunbookWorld> {
  const world = await runbookWorld({ settings });
  await insertReviews(await world.client(), reviews);
  await publish(world, { memoryLimit: '512MB' });
  await rest.break?.(world);
  return world;
}

/** What each layer holds, and what is served. */
const picture = async (world: RunbookWorld) => {
  const layers: Record<string, unknown> = {};
  for (const layer of ['bronze', 'silver', 'gold'] as const) {
    const found = await readLayer(world.lake, layer, batchId);
    layers[layer] = found?.manifest.tables.map(({ name, rows }) => `${name} ${rows}`);
  }
  const client = await world.client();
  const served = await client.query(
    `SELECT count(*)::int AS facts, (SELECT count(*)::int FROM amazon.product_summary) AS views,
       (SELECT count(*)::int FROM pg_constraint WHERE contype = 'f') AS keys
     FROM amazon.fact_reviews`,
  );
  const leases: string[] = [];
  for await (const { key } of world.lake.list('leases/')) leases.push(key);
  return { layers, served, leases };
};

/** Every object and relation, as it is: nothing of it may change before the first act. */
const untouched = async (world: RunbookWorld) => {
  const objects: string[] = [];
  for (const layer of ['raw/', 'bronze/', 'silver/', 'gold/', 'logs/']) {
    for await (const { key, etag } of world.lake.list(layer)) objects.push(`${key} ${etag}`);
  }
  const client = await world.client();
  const relations = await client.query(
    "SELECT relname, oid::text, relfilenode::text FROM pg_class WHERE relnamespace = 'amazon'::regnamespace ORDER BY 1, 2",
  );
  const facts = await client
    .query('SELECT count(*), min(review_id), max(ingested_at) FROM amazon.fact_reviews')
    .catch(() => 'none');
  return { objects, relations, facts };
};

describe('killed at every transition of its journal, it ends as if nothing had been:', () => {
  it.each(Object.keys(cases))('%s', { timeout: 300_000 }, async (id) => {
    const kills = await crashRelay(await loadRunbook(id), {
      makeWorld: () => makeWorld(cases[id] ?? {}),
      picture,
      untouched,
    });
    expect(kills).toBeGreaterThan(10);
  });

  it('database-connection', { timeout: 300_000 }, async () => {
    const running = async ({ home }: RunbookWorld) => (await embeddedStatus({ home })).running;
    const kills = await crashRelay(await loadRunbook('database-connection'), {
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
      picture: running,
      untouched: running,
    });
    expect(kills).toBeGreaterThan(20);
  });
});
