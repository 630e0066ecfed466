import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { batchLeaseName, batchPrefix, runMetricsKey } from '../../src/lake/layout.js';
import { acquireLease } from '../../src/lake/lease.js';
import { readLayer } from '../../src/lake/publish.js';
import { lastRuns } from '../../src/pipeline/history.js';
import { runPipeline } from '../../src/pipeline/run.js';
import { interrupted } from '../../src/system/errors.js';
import { thisProcess } from '../../src/system/owner.js';
import { makeWorld, type World } from '../support/world.js';

const whole = { command: 'run', from: 'extract', to: 'load' } as const;

describe('runPipeline', () => {
  let world: World;
  beforeEach(async () => {
    world = await makeWorld();
  });
  afterEach(() => world.dispose());

  const history = () =>
    lastRuns(
      {
        target: world.database.target,
        settings: world.environment.config.database,
        signal: new AbortController().signal,
      },
      50,
    );
  const facts = async () =>
    world.client.query<{ batch_id: string; n: number }>(
      'SELECT batch_id, count(*)::integer AS n FROM amazon.fact_reviews GROUP BY batch_id',
    );

  it('takes every review from the source to the serving table, or names why not', async () => {
    const result = await runPipeline(world.environment, whole);
    const [extract, transform, model, load] = result.stages;
    // Every 20th has no rating; of the others every 25th has no text (every 100th has neither).
    const rejected = 50 + 40 - 10;
    expect(transform).toMatchObject({ stage: 'transform', rowsIn: 1000, rejected });
    expect(model).toMatchObject({ stage: 'model', rowsIn: 1000 - rejected });
    expect(load).toMatchObject({
      stage: 'load',
      rowsIn: 1000 - rejected,
      rowsOut: 1000 - rejected,
    });
    expect(extract?.rowsOut).toBeGreaterThan(1000);
    expect(await facts()).toEqual([{ batch_id: result.batchId, n: 1000 - rejected }]);
    const gold = await readLayer(world.lake, 'gold', result.batchId);
    const silver = await readLayer(world.lake, 'silver', result.batchId);
    const bronze = await readLayer(world.lake, 'bronze', result.batchId);
    expect(gold?.manifest.parents[0]?.sha256).toBe(silver?.sha256);
    expect(silver?.manifest.parents[0]?.sha256).toBe(bronze?.sha256);
    expect(gold?.manifest.source).toEqual(bronze?.manifest.source);
  });

  it('loads ids as long as the indexes hold, and rejects longer ones with their reason', async () => {
    // Of hexadecimal digits that cannot be compressed: indexes hold more of what can.
    const id = (seed: string, bytes: number) =>
      `(SELECT left(string_agg(md5('${seed}' || i), ''), ${bytes}) FROM generate_series(1, 70) i)`;
    await world.client.execute(`
      INSERT INTO amazon.customer SELECT ${id('c', 1300)}, 'F', 'L', NULL, NULL, now();
      INSERT INTO amazon.customer SELECT ${id('d', 2000)}, 'F', 'L', NULL, NULL, now();
      INSERT INTO amazon.product SELECT ${id('p', 1300)}, 'Long', NULL, 1, 1, 'K1';
      INSERT INTO amazon.product SELECT ${id('q', 2000)}, 'Longer', NULL, 1, 1, 'K1';
      INSERT INTO amazon.review SELECT ${id('r', 1300)}, ${id('c', 1300)}, 't', 'fits', 5, true, 1, now();
      INSERT INTO amazon.review SELECT ${id('s', 1301)}, NULL, 't', 'too long', 5, true, 1, now();
      INSERT INTO amazon.review SELECT 'L1', ${id('d', 2000)}, 't', 'long customer', 5, true, 1, now();
      INSERT INTO amazon.review SELECT 'L2', NULL, 't', 'long product', 5, true, 1, now();
      INSERT INTO amazon.product_reviews SELECT ${id('p', 1300)}, ${id('r', 1300)};
      INSERT INTO amazon.product_reviews SELECT 'P1', ${id('s', 1301)};
      INSERT INTO amazon.product_reviews VALUES ('P1', 'L1');
      INSERT INTO amazon.product_reviews SELECT ${id('q', 2000)}, 'L2';
      INSERT INTO amazon.review VALUES ('L3', NULL, 't', 'one of two', 5, true, 1, now());
      INSERT INTO amazon.product_reviews VALUES ('P1', 'L3');
      INSERT INTO amazon.product_reviews SELECT ${id('q', 2000)}, 'L3';`);
    const { batchId, stages } = await runPipeline(world.environment, whole);
    expect(stages.at(-1)).toMatchObject({ rowsOut: 920 + 1 });
    const silver = await readLayer(world.lake, 'silver', batchId);
    expect(silver?.manifest.rejected).toMatchObject({ id_too_long: 4 });
    expect(
      await world.client.query(
        'SELECT length(review_id), length(product_id) AS product, length(customer_id) AS customer, body FROM amazon.fact_reviews WHERE length(review_id) > 100',
      ),
    ).toEqual([{ length: 1300, product: 1300, customer: 1300, body: 'fits' }]);
  });

  it('leaves a log a run, the metrics of the last run, and its history', async () => {
    const { runId, batchId, stages } = await runPipeline(world.environment, whole);
    const log = (await world.lake.read(`logs/${runId}.jsonl`)).toString().trimEnd().split('\n');
    const lines = log.map((line) => JSON.parse(line) as { logger: string; runId: string });
    expect(new Set(lines.map(({ logger }) => logger))).toEqual(
      new Set(['pipeline', 'extract', 'transform', 'model', 'load']),
    );
    expect(new Set(lines.map((line) => line.runId))).toEqual(new Set([runId]));
    expect(await readdir(join(world.root, 'logs'))).toEqual([]);
    const metrics = JSON.parse((await world.lake.read(runMetricsKey)).toString());
    expect(metrics).toMatchObject({
      runId,
      batchId,
      status: 'succeeded',
      rows: { bronze: stages[0]?.rowsOut, silver: 920, gold: 920 },
    });
    const second = await runPipeline(await world.another(), whole);
    const runs = await history();
    expect(runs.map((run) => [run.runId, run.status])).toEqual([
      [second.runId, 'succeeded'],
      [runId, 'succeeded'],
    ]);
    expect(runs[1]?.meanSeconds).toBeNull();
    expect(runs[0]?.ratio).toBeCloseTo((runs[0]?.seconds ?? 0) / (runs[1]?.seconds ?? 1), 6);
  });

  it('gives the same result stage by stage as in one run', async () => {
    const { batchId } = await runPipeline(world.environment, { ...whole, to: 'extract' });
    expect(await facts()).toEqual([]);
    for (const stage of ['transform', 'model', 'load'] as const) {
      await runPipeline(await world.another(), { command: stage, from: stage, to: stage, batchId });
    }
    expect(await facts()).toEqual([{ batch_id: batchId, n: 920 }]);
  });

  it('replaces its own output when the same batch runs again', async () => {
    const { batchId } = await runPipeline(world.environment, whole);
    await world.client.execute("DELETE FROM amazon.review WHERE review_id = 'R1'");
    const again = await runPipeline(await world.another(), { ...whole, batchId });
    expect(again.stages[3]).toMatchObject({ rowsOut: 919 });
    expect(await facts()).toEqual([{ batch_id: batchId, n: 919 }]);
    expect((await readLayer(world.lake, 'gold', batchId))?.manifest.generation).toBe(2);
  });

  it('refuses a batch that another process works on, with its name and age', async () => {
    const batchId = '20260102_030405';
    const held = await acquireLease(world.lake, batchLeaseName(batchId), {
      owner: { ...thisProcess(), user: 'ada' },
      now: () => new Date(Date.now() - 192_000),
      signal: new AbortController().signal,
    });
    await expect(runPipeline(world.environment, { ...whole, batchId })).rejects.toMatchObject({
      code: 'LEASE_HELD',
      exitCode: 3,
      message: expect.stringMatching(/ada@.*\(pid \d+\).*3m 12s/),
    });
    expect(await history()).toEqual([]);
    await held.release();
    await runPipeline(world.environment, { ...whole, batchId });
  });

  it.each(['extract', 'transform', 'model', 'load'] as const)(
    'stops in %s when told to, shows nothing half-done, and is completed by the command it names',
    async (stage) => {
      const stop = new AbortController();
      const environment = await world.another(stop.signal);
      const report = (event: { type: string; task?: string }) => {
        if (event.type === 'started' && event.task?.startsWith(stage)) stop.abort(interrupted());
      };
      const started = performance.now();
      const failure = await runPipeline(
        { ...environment, job: { ...environment.job, report } },
        whole,
      ).catch((error: unknown) => error);
      expect(performance.now() - started).toBeLessThan(20_000);
      expect(failure).toMatchObject({ code: 'INTERRUPTED', exitCode: 130 });
      const { hint } = failure as { hint: string };
      const batchId = /--batch-id (\S+) --from (\w+)/.exec(hint);
      expect(batchId?.[2]).toBe(stage);
      const order = ['extract', 'transform', 'model', 'load'] as const;
      const layers = ['bronze', 'silver', 'gold'] as const;
      for (const [index, layer] of layers.entries()) {
        const published = await readLayer(world.lake, layer, batchId?.[1] ?? '');
        expect(published !== undefined).toBe(index < order.indexOf(stage));
        const keys: string[] = [];
        for await (const { key } of world.lake.list(batchPrefix(layer, batchId?.[1] ?? ''))) {
          keys.push(key);
        }
        if (published === undefined) expect(keys).toEqual([]);
      }
      expect(await facts()).toEqual([]);
      expect((await history())[0]?.status).toBe('interrupted');
      await runPipeline(await world.another(), {
        ...whole,
        batchId: batchId?.[1] ?? '',
        from: stage,
      });
      expect(await facts()).toEqual([{ batch_id: batchId?.[1], n: 920 }]);
    },
  );

  it('says with exit 4 what is done and how to go on when a later stage fails', async () => {
    const environment = {
      ...world.environment,
      config: {
        ...world.environment.config,
        serving: { ...world.environment.config.serving, refreshViews: ['product_summary'] },
      },
    };
    await world.client.execute(
      `CREATE FUNCTION amazon.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
       CREATE TRIGGER refuse BEFORE INSERT ON maintenance.fact_loads EXECUTE FUNCTION amazon.refuse()`,
    );
    const failure = await runPipeline(environment, whole).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'DATABASE_ERROR',
      exitCode: 4,
      message: expect.stringMatching(/^load: .*not today.*extract, transform, model done/s),
      hint: expect.stringMatching(/pipeline run --batch-id \S+ --from load/),
    });
    expect(await facts()).toEqual([]);
    expect((await history())[0]).toMatchObject({ status: 'partial', errorCode: 'DATABASE_ERROR' });
  });

  it('refuses stages in the wrong order, and a later stage without a batch', async () => {
    await expect(
      runPipeline(world.environment, { command: 'run', from: 'load', to: 'extract' }),
    ).rejects.toMatchObject({ code: 'STAGES_INVALID', exitCode: 2 });
    await expect(
      runPipeline(world.environment, { command: 'run', from: 'model', to: 'load' }),
    ).rejects.toMatchObject({ code: 'BATCH_ID_MISSING', exitCode: 2 });
  });

  it('delivers the log of a killed run with the next one', async () => {
    const { writeFile, mkdir } = await import('node:fs/promises');
    await mkdir(join(world.root, 'logs'), { recursive: true });
    const owner = { ...thisProcess(), pid: 2 ** 22 + 1 };
    await writeFile(
      join(world.root, 'logs', 'killed.jsonl'),
      `${JSON.stringify({ logger: 'pipeline', owner })}\n{"cut`,
    );
    await runPipeline(world.environment, { ...whole, to: 'extract' });
    expect((await world.lake.read('logs/killed.jsonl')).toString()).toContain('{"cut');
  });
});
