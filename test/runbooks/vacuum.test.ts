import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DatabaseClient } from '../../src/database/client.js';
import vacuum from '../../src/runbooks/vacuum.js';
import vacuumFull from '../../src/runbooks/vacuum-full.js';
import { createTestDatabase } from '../support/database.js';
import { deadForAll } from '../support/dead-rows.js';
import { listening, no, type RunbookWorld, runbookWorld, yes } from '../support/runbooks.js';

let world: RunbookWorld;
let client: DatabaseClient;
beforeAll(async () => {
  world = await runbookWorld({ settings: { maintenance: { blockerSeconds: 0 } } });
  client = await world.client();
  await client.execute('ALTER TABLE amazon.review SET (autovacuum_enabled = off)');
});
afterAll(() => world.dispose());

/** 4,000 reviews of which a quarter is dead. */
beforeEach(async () => {
  await client.execute('TRUNCATE amazon.review CASCADE');
  await client.execute(
    "INSERT INTO amazon.review SELECT 'R' || i, NULL, 'T', repeat('x', 200), 3, true, 0, now() FROM generate_series(1, 4000) i",
  );
  await client.query('SELECT pg_stat_force_next_flush()');
  await client.execute('VACUUM (ANALYZE) amazon.review');
  await client.execute('DELETE FROM amazon.review WHERE substr(review_id, 2)::int % 4 = 0');
  await client.query('SELECT pg_stat_force_next_flush()');
  await deadForAll(client);
});

const step = <Step extends { id: string }>({ steps }: { steps: Step[] }, id: string) =>
  steps.find((found) => found.id === id);
const evidenceOf = (verified: { evidence?: object } | undefined) =>
  (verified?.evidence as { tables: Record<string, number | string>[] } | undefined)?.tables;

describe('vacuum', () => {
  it('vacuums, analyses and makes a checkpoint, and measures again', async () => {
    const { report } = await world.run(vacuum);
    expect(report).toMatchObject({ state: 'succeeded', exitCode: 0 });
    expect(report.plan?.targets).toMatchObject([{ type: 'table', name: 'amazon.review' }]);
    expect(report.plan?.notes[0]).toMatch(/^Lock: reads and writes go on/);
    expect(report.plan?.notes[1]).toMatch(/^Duration: about [\d.]+ s/);
    expect(report.plan?.notes[2]).toMatch(/^Gain: about 2\d\d\.?\d? kB become usable again/);
    expect(step(report, 'vacuum')).toMatchObject({
      state: 'done',
      data: { seconds: { 'amazon.review': expect.any(Number) } },
    });
    expect(evidenceOf(step(report, 'vacuum')?.verified)).toMatchObject([
      { table: 'amazon.review', deadTuplesBefore: 1000, deadTuplesAfter: 0 },
    ]);
    expect(step(report, 'checkpoint')).toMatchObject({ state: 'done' });
    expect(step(report, 'refresh-views')).toMatchObject({ state: 'skipped' });
    const again = await world.run(vacuum);
    expect(again.report).toMatchObject({
      state: 'succeeded',
      plan: { targets: [] },
      changed: false,
    });
    expect(step(again.report, 'vacuum')?.state).toBe('skipped');
  });

  it('refreshes views concurrently where it can and plainly, said aloud, where it cannot', async () => {
    await client.execute(
      'CREATE MATERIALIZED VIEW amazon.plain_view AS SELECT count(*) AS reviews FROM amazon.review',
    );
    await client.execute("INSERT INTO amazon.review (review_id, body) VALUES ('Rnew', 'new')");
    const { report } = await world.run(vacuum, { refreshViews: true, checkpoint: false });
    expect(report.state).toBe('succeeded');
    expect(report.plan?.targets.filter(({ type }) => type === 'view')).toMatchObject([
      { name: 'amazon.plain_view', action: 'refresh' },
      { name: 'amazon.product_summary', action: 'refresh concurrently' },
    ]);
    expect(report.plan?.notes.join()).toMatch(/plain_view is refreshed plainly/);
    expect(step(report, 'checkpoint')).toMatchObject({
      state: 'skipped',
      summary: 'Not wanted (--no-checkpoint).',
    });
    expect(await client.query('SELECT * FROM amazon.plain_view')).toEqual([{ reviews: '3001' }]);
    await client.execute('DROP MATERIALIZED VIEW amazon.plain_view');
  });

  it('names who makes it useless before, and does not call it a success after', async () => {
    const old = await world.client();
    await old.execute('BEGIN ISOLATION LEVEL REPEATABLE READ');
    const [row] = await old.query<{ pid: number }>(
      'SELECT pg_backend_pid() AS pid, count(*) FROM amazon.review',
    );
    await client.execute('DELETE FROM amazon.review');
    await client.execute('VACUUM amazon.review');
    const { report } = await world.run(vacuum);
    const finding = step(report, 'blockers')?.finding;
    expect(finding?.state).toBe('critical');
    expect(finding?.summary).toMatch(
      new RegExp(
        `^VACUUM would remove nothing: session with pid ${row?.pid} .*pg_terminate_backend`,
      ),
    );
    expect(report).toMatchObject({ state: 'failed', exitCode: 4 });
    expect(report.reason).toMatch(
      new RegExp(
        `amazon.review: no dead row was removed. They are held by session with pid ${row?.pid}`,
      ),
    );
    await old.execute('ROLLBACK');
    const resumed = await world.resume(vacuum, report.runId);
    expect(resumed.report).toMatchObject({ state: 'succeeded' });
    expect(evidenceOf(step(resumed.report, 'vacuum')?.verified)).toMatchObject([
      // The server counts dead rows by estimate: at least those that this test made.
      { deadTuplesBefore: expect.toSatisfy((dead: number) => dead >= 3000), deadTuplesAfter: 0 },
    ]);
  });

  it('does not write a table anew unless the person types its name', async () => {
    const { ask, questions } = listening(no('ada'));
    const { report } = await world.run(vacuumFull, { tables: ['review'] }, { ask });
    expect(report).toMatchObject({ state: 'aborted', exitCode: 3 });
    expect(questions[0]).toMatchObject({ risk: 'destroy', name: 'review' });
    expect(report.plan?.notes[0]).toMatch(/ACCESS EXCLUSIVE/);
    expect(report.plan?.notes[1]).toBe('Duration: unknown; nothing like it has been measured.');
    expect(step(report, 'space')?.finding?.state).toBe('ok');
  });

  it('full gives the space back', async () => {
    const { report } = await world.run(
      vacuumFull,
      { tables: ['amazon.review'] },
      { ask: yes('ada') },
    );
    expect(report).toMatchObject({ state: 'succeeded', reason: null });
    const [review] = evidenceOf(step(report, 'vacuum')?.verified) ?? [];
    expect(review).toMatchObject({ deadTuplesBefore: 1000 });
    expect(Number(review?.bytesAfter)).toBeLessThan(0.85 * Number(review?.bytesBefore));
  });

  it('full without ANALYZE is judged by the file, not by the old number of dead rows', async () => {
    const { report } = await world.run(
      vacuumFull,
      { tables: ['amazon.review'], analyze: false },
      { ask: yes('ada') },
    );
    expect(report).toMatchObject({ state: 'succeeded', reason: null });
    expect(evidenceOf(step(report, 'vacuum')?.verified)).toMatchObject([
      { deadTuplesBefore: 1000, deadTuplesAfter: null },
    ]);
    expect(step(report, 'vacuum')?.verified?.summary).toMatch(
      /^1 table written anew: .*B before, .*B after\.$/,
    );
  });

  it('full names who writes in another database: that holds it up as well', async () => {
    const other = await createTestDatabase();
    try {
      const writer = await other.client();
      await writer.execute('BEGIN');
      const [row] = await writer.query<{ pid: number }>(
        'SELECT pg_backend_pid() AS pid, pg_current_xact_id()',
      );
      await client.execute('DELETE FROM amazon.review WHERE substr(review_id, 2)::int % 4 = 1');
      await client.query('SELECT pg_stat_force_next_flush()');
      // Room inside the file: it gets smaller, and yet no dead row goes.
      await client.execute('VACUUM amazon.review');
      await client.execute('DELETE FROM amazon.review');
      await client.query('SELECT pg_stat_force_next_flush()');
      const input = { tables: ['amazon.review'] };
      // The server has other tests' databases, too: who else writes there may be named before it.
      const held = expect.arrayContaining([
        expect.objectContaining({
          name: String(row?.pid),
          who: expect.stringContaining(
            `in database ${new URL(other.target.url).pathname.slice(1)}`,
          ),
        }),
      ]);
      // A plain vacuum goes by this database alone.
      const plain = await world.run(vacuum, input, { dryRun: true });
      expect(step(plain.report, 'blockers')?.finding?.evidence).not.toMatchObject({
        blockers: held,
      });
      const { report } = await world.run(vacuumFull, input, { ask: yes('ada') });
      expect(step(report, 'blockers')?.finding).toMatchObject({
        state: 'warning',
        evidence: { blockers: held },
      });
      expect(report).toMatchObject({ state: 'failed', exitCode: 4 });
      expect(report.reason).toMatch(/no dead row was removed\. They are held by session/);
      await writer.execute('ROLLBACK');
      await deadForAll(client);
      const resumed = await world.resume(vacuumFull, report.runId);
      expect(resumed.report).toMatchObject({ state: 'succeeded', reason: null });
    } finally {
      await other.drop();
    }
  });

  it('takes tables in whatever order they are named', async () => {
    const { report } = await world.run(vacuum, {
      tables: ['review', 'carrier'],
      checkpoint: false,
    });
    expect(report).toMatchObject({ state: 'succeeded', reason: null });
  });

  it('full writes views anew too, and refreshes them all the same', async () => {
    await client.execute('DROP MATERIALIZED VIEW IF EXISTS amazon.counted');
    await client.execute(
      'CREATE MATERIALIZED VIEW amazon.counted AS SELECT review_id FROM amazon.review',
    );
    await client.execute("INSERT INTO amazon.review (review_id, body) VALUES ('Rlater', 'new')");
    const { report } = await world.run(
      vacuumFull,
      { tables: ['amazon.review', 'amazon.counted'], refreshViews: true },
      { ask: yes('ada') },
    );
    expect(report.reason).toBeNull();
    expect(report.state).toBe('succeeded');
    expect(step(report, 'refresh-views')?.state).toBe('done');
    const [row] = await client.query<{ there: boolean }>(
      "SELECT EXISTS (SELECT FROM amazon.counted WHERE review_id = 'Rlater') AS there",
    );
    expect(row?.there).toBe(true);
    await client.execute('DROP MATERIALIZED VIEW amazon.counted');
  });

  it('says of a remote server that its disk cannot be seen', async () => {
    const { database } = world.services;
    world.services.database = async () => ({ ...(await database()), kind: 'external' });
    try {
      const { report } = await world.run(vacuumFull, { tables: ['review'] }, { dryRun: true });
      expect(step(report, 'space')?.finding).toMatchObject({ state: 'unknown' });
      expect(report.state).toBe('succeeded');
    } finally {
      world.services.database = database;
    }
  });

  it('vacuums the partitions of a named table and analyses the whole', async () => {
    await client.execute(
      "CREATE TABLE amazon.fact_reviews_b PARTITION OF amazon.fact_reviews FOR VALUES IN ('b')",
    );
    const { report } = await world.run(vacuum, { tables: ['fact_reviews'] });
    expect(report.state).toBe('succeeded');
    expect(report.plan?.targets.map(({ name }) => name)).toEqual(['amazon.fact_reviews_b']);
    const [parent] = await client.query<{ analyzed: boolean }>(
      "SELECT last_analyze IS NOT NULL AS analyzed FROM pg_stat_all_tables WHERE relid = 'amazon.fact_reviews'::regclass",
    );
    expect(parent?.analyzed).toBe(true);
  });
});
