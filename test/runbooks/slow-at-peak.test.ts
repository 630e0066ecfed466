import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import slowAtPeak from '../../src/runbooks/slow-at-peak.js';
import { type BrokenWorld, completeBatch, makeBrokenWorld } from '../support/repairs.js';

describe('slow-at-peak', () => {
  let world: BrokenWorld;
  beforeAll(async () => {
    world = await makeBrokenWorld({ reviews: 100 });
    await completeBatch(world);
    await completeBatch(world);
  });
  afterAll(() => world.dispose());

  const finding = (report: Awaited<ReturnType<BrokenWorld['repair']>>, id: string) =>
    report.steps.find((step) => step.id === id)?.finding;

  it('measures everything and changes nothing', async () => {
    const before = await world.picture();
    const report = await world.repair(slowAtPeak);
    expect(report).toMatchObject({ state: 'succeeded', branch: null });
    for (const id of ['run', 'lake', 'latency', 'sessions', 'dead']) {
      expect(['ok', 'warning']).toContain(finding(report, id)?.state);
    }
    expect(finding(report, 'run')?.evidence).toMatchObject({ ratio: expect.any(Number) });
    expect(await world.picture()).toEqual(before);
  });

  it('names the run that was slow, and its slowest stage', async () => {
    await world.client.execute(
      `UPDATE maintenance.pipeline_runs SET seconds = 1000, stages = jsonb_set(stages, '{1,seconds}', '990')
       WHERE started_at = (SELECT max(started_at) FROM maintenance.pipeline_runs)`,
    );
    const run = finding(await world.repair(slowAtPeak), 'run');
    expect(run).toMatchObject({ state: 'warning', summary: expect.stringContaining('transform') });
  });

  it('names who waits for whom', async () => {
    const holder = await world.database.client();
    await holder.execute('BEGIN');
    await holder.execute('LOCK TABLE amazon.carrier IN ACCESS EXCLUSIVE MODE');
    const waiter = await world.database.client();
    const waiting = waiter.query('SELECT count(*) FROM amazon.carrier');
    await expect
      .poll(async () =>
        world.client.query(
          "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        ),
      )
      .toHaveLength(1);
    const sessions = finding(await world.repair(slowAtPeak), 'sessions');
    await holder.execute('ROLLBACK');
    await waiting;
    expect(sessions).toMatchObject({
      state: 'warning',
      summary: expect.stringContaining('wait for a lock'),
    });
  });

  it('leads to the VACUUM when a table is full of dead rows', async () => {
    await world.client.execute(
      "INSERT INTO amazon.carrier SELECT i::text, 'carrier' FROM generate_series(1, 30000) i",
    );
    await world.client.execute('ALTER TABLE amazon.carrier SET (autovacuum_enabled = false)');
    await world.client.execute('DELETE FROM amazon.carrier');
    await world.client.query('SELECT pg_stat_force_next_flush()');
    await world.client.query('SELECT 1');
    const report = await world.repair(slowAtPeak);
    expect(report.branch).toMatchObject({
      runbook: 'vacuum',
      input: { tables: ['amazon.carrier'] },
    });
  });

  it('does not know of dead rows once the server has lost its statistics', async () => {
    await world.client.execute('ANALYZE amazon.review');
    await world.client.execute('SELECT pg_stat_reset()');
    const report = await world.repair(slowAtPeak);
    expect(finding(report, 'dead')).toMatchObject({
      state: 'unknown',
      evidence: { unknown: expect.arrayContaining(['amazon.review']) },
    });
  });
});
