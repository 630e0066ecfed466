import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatabaseClient } from '../../src/database/client.js';
import purgeBatches from '../../src/runbooks/purge-batches.js';
import purgeLogs from '../../src/runbooks/purge-logs.js';
import vacuum from '../../src/runbooks/vacuum.js';
import vacuumFull from '../../src/runbooks/vacuum-full.js';
import { batchesIn, keysOf, putBatch } from '../maintenance/support.js';
import { crashAt, crashMatrix, crashRelay } from '../support/crash-matrix.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { deadForAll } from '../support/dead-rows.js';
import { type RunbookWorld, runbookWorld } from '../support/runbooks.js';

/** Nothing but the lake; the embedded server was never set up. */
async function lakeWorld(): Promise<RunbookWorld> {
  const world = await runbookWorld({ database: false, settings: { retention: { keepLast: 1 } } });
  world.services.databaseUrl = async () => undefined;
  return world;
}

describe('killed at every transition of its journal, it ends as if nothing had been:', () => {
  it('purge-batches', async () => {
    const points = await crashMatrix(purgeBatches, {
      makeWorld: async () => {
        const world = await lakeWorld();
        for (const id of ['20250101_000000', '20250201_000000', '20250301_000000']) {
          await putBatch(world.lake, id, { files: 1 });
        }
        return world;
      },
      picture: async ({ lake }) => [await batchesIn(lake), await keysOf(lake, 'leases/')],
    });
    expect(points).toBeGreaterThan(20);
  });

  it('purge-logs', async () => {
    const points = await crashMatrix(purgeLogs, {
      makeWorld: async () => {
        const world = await lakeWorld();
        for (const name of ['old.jsonl', 'older.jsonl', 'last_run_metrics.json']) {
          await world.lake.put(`logs/${name}`, name);
          await utimes(join(world.root, 'data', 'logs', name), 0, 0);
        }
        return world;
      },
      picture: ({ lake }) => keysOf(lake),
    });
    expect(points).toBeGreaterThan(15);
  });

  describe('with a database,', () => {
    let database: TestDatabase;
    let client: DatabaseClient;
    beforeAll(async () => {
      database = await createTestDatabase();
      client = await database.client();
      await client.execute('ALTER TABLE amazon.review SET (autovacuum_enabled = off)');
    });
    afterAll(() => database.drop());

    /** One database for all points, brought back to where it was. */
    const makeWorld = async (): Promise<RunbookWorld> => {
      const world = await runbookWorld({ database: false });
      world.services.database = async () => database.target;
      world.services.databaseUrl = async () => database.target.url;
      await client.execute('TRUNCATE amazon.review CASCADE');
      await client.execute(
        "INSERT INTO amazon.review SELECT 'R' || i, NULL, 'T', repeat('x', 200), 3, true, 0, now() FROM generate_series(1, 1000) i",
      );
      await client.query('SELECT pg_stat_force_next_flush()');
      await client.execute('DELETE FROM amazon.review WHERE substr(review_id, 2)::int % 4 = 0');
      await client.query('SELECT pg_stat_force_next_flush()');
      await client.query("SELECT pg_stat_reset_single_table_counters('amazon.customer'::regclass)");
      await deadForAll(client);
      return world;
    };

    const picture = async () =>
      client.query(
        `SELECT n_dead_tup, pg_relation_size(relid) AS bytes
         FROM pg_stat_all_tables WHERE relid = 'amazon.review'::regclass`,
      );

    it('vacuum', async () => {
      const input = () => ({ refreshViews: true });
      const points = await crashMatrix(vacuum, { makeWorld, input, picture });
      expect(points).toBeGreaterThan(30);
    });

    it('vacuum-full', async () => {
      const input = () => ({ tables: ['review'], checkpoint: false });
      const files = async () =>
        (await client.query("SELECT pg_relation_filenode('amazon.review') AS node"))[0]?.node;
      const kills = await crashRelay(vacuumFull, { makeWorld, input, picture, untouched: files });
      expect(kills).toBeGreaterThan(30);
    });

    it.each([
      ['act.started', 'after', 'again'],
      ['step.finished', 'before', 'once'],
    ] as const)('vacuum-full, around its act: %s, %s', async (type, when, done) => {
      const input = () => ({ tables: ['review'], checkpoint: false });
      const filenode = async () =>
        (await client.query("SELECT pg_relation_filenode('amazon.review') AS node"))[0]?.node;
      const left = await makeWorld();
      const { report } = await left.run(vacuumFull, input());
      const entries = (await left.journal(report.runId)).map(({ event }) => event);
      await left.dispose();
      const entry = entries.findIndex(
        (event) =>
          event.type === type && (event.type !== 'step.finished' || event.result.id === 'vacuum'),
      );
      const world = await makeWorld();
      try {
        const runId = await crashAt(world, vacuumFull, { input }, { entry, when });
        const before = await filenode();
        const resumed = await world.resume(vacuumFull, runId ?? '');
        expect(resumed.report.state).toBe('succeeded');
        // What was done and only not written down is found done, and not done again.
        expect((await filenode()) === before).toBe(done === 'once');
      } finally {
        await world.dispose();
      }
    });
  });
});
