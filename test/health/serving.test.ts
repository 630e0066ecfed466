import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noteCredential } from '../../src/credentials/ledger.js';
import type { DatabaseClient } from '../../src/database/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type Examination, look, makeHealthyWorld } from './support.js';

type HealthyWorld = Awaited<ReturnType<typeof makeHealthyWorld>>;
let world: HealthyWorld;

beforeAll(async () => {
  world = await makeHealthyWorld();
});
afterAll(() => world.dispose());

const examine = (names: readonly string[], more: Parameters<typeof look>[1] | object = {}) =>
  look(names, { target: world.database.target, root: world.root, ...more });

const serving = ['served-batch', 'served-rows', 'views', 'freshness'];

/** Undoes the change when the work is done, so that the next test finds a healthy system. */
async function broken(change: string, repair: string, work: () => Promise<void>): Promise<void> {
  await world.client.execute(change);
  try {
    await work();
  } finally {
    await world.client.execute(repair);
  }
}

describe('after a run', () => {
  it('everything is ok', async () => {
    const { report } = await look([], { target: world.database.target, root: world.root });
    const bad = report.checks.filter(({ state }) => state !== 'ok' && state !== 'skipped');
    expect(bad.map(({ name, summary }) => `${name}: ${summary}`)).toEqual([]);
    expect(report.checks.length).toBeGreaterThanOrEqual(25);
    expect(report.state).toBe('ok');
  });
});

describe('what is served', () => {
  it('is older than the newest gold', async () => {
    const change = "UPDATE maintenance.fact_loads SET batch_id = '20200101_000000'";
    const repair = `UPDATE maintenance.fact_loads SET batch_id = '${world.batchId}'`;
    await broken(change, repair, async () => {
      const { check } = await examine(serving);
      expect(check('served-batch')).toMatchObject({
        state: 'warning',
        runbook: { id: 'inconsistent-rows', input: { batchId: world.batchId } },
      });
    });
  });

  it('came from a lake that is not there (a disk that is not mounted)', async () => {
    const { check } = await look([...serving, 'lake'], {
      target: world.database.target,
      root: '/nowhere',
    });
    expect(check('lake').state).toBe('ok');
    expect(check('served-batch')).toMatchObject({
      state: 'critical',
      runbook: { id: 'parquet-not-found', input: { batchId: world.batchId } },
    });
  });

  it('lost rows', async () => {
    await broken(
      'CREATE TABLE kept AS SELECT * FROM amazon.fact_reviews; DELETE FROM amazon.fact_reviews WHERE score < 50',
      'DELETE FROM amazon.fact_reviews; INSERT INTO amazon.fact_reviews SELECT * FROM kept; DROP TABLE kept',
      async () => {
        const { check } = await examine(serving);
        expect(check('served-rows')).toMatchObject({
          state: 'warning',
          runbook: { id: 'inconsistent-rows' },
        });
      },
    );
    expect((await examine(serving)).check('served-rows').state).toBe('ok');
  });

  it('has a view that was never filled', async () => {
    await broken(
      'REFRESH MATERIALIZED VIEW amazon.product_summary WITH NO DATA',
      'REFRESH MATERIALIZED VIEW amazon.product_summary',
      async () => {
        const { check } = await examine(serving);
        expect(check('views')).toMatchObject({
          state: 'critical',
          runbook: { id: 'inconsistent-rows' },
        });
      },
    );
  });

  it('has a view that counts an older batch', async () => {
    await broken(
      'UPDATE maintenance.fact_loads SET rows = rows + 7',
      'UPDATE maintenance.fact_loads SET rows = rows - 7',
      async () => {
        const { check } = await examine(serving);
        expect(check('views')).toMatchObject({
          state: 'warning',
          next: expect.stringContaining('REFRESH MATERIALIZED VIEW'),
        });
      },
    );
  });

  it('is behind the source', async () => {
    const change =
      "INSERT INTO amazon.review (review_id, created_at) VALUES ('late', now()); UPDATE maintenance.fact_loads SET snapshot_at = snapshot_at - interval '3 hours'";
    const repair =
      "DELETE FROM amazon.review WHERE review_id = 'late'; UPDATE maintenance.fact_loads SET snapshot_at = snapshot_at + interval '3 hours'";
    await broken(change, repair, async () => {
      const { check } = await examine(serving);
      expect(check('freshness')).toMatchObject({ state: 'warning', threshold: { warning: 2 } });
      expect(check('freshness').value).toBeCloseTo(3, 0);
    });
  });

  it('is not stale when the source is empty or old (dbt#2428)', async () => {
    const empty = await createTestDatabase();
    const { check } = await look(serving, { target: empty.target, root: '/nowhere' });
    await empty.drop();
    // Nothing was loaded, and there is nothing to load.
    expect(serving.map((name) => check(name).state)).toEqual([
      'skipped',
      'skipped',
      'ok',
      'skipped',
    ]);
    // The newest review of the world is from 2025, its snapshot from today.
    expect((await examine(serving)).check('freshness').state).toBe('ok');
  });

  it('is unknown, with the cure, when its table was dropped', async () => {
    const own = await createTestDatabase();
    const client = await own.client();
    await client.execute('DROP TABLE amazon.fact_reviews CASCADE');
    const { check } = await look([...serving, 'tables'], { target: own.target, root: '/nowhere' });
    await own.drop();
    expect(check('tables').state).toBe('critical');
    expect(check('views')).toMatchObject({
      state: 'critical',
      runbook: { id: 'relation-not-found' },
    });
    expect(check('served-rows')).toMatchObject({
      state: 'unknown',
      runbook: { id: 'relation-not-found' },
    });
  });
});

describe('the runs', () => {
  let own: TestDatabase;
  let client: DatabaseClient;
  const now = new Date('2026-03-01T12:00:00Z');
  const names = [
    'last-run',
    'run-duration',
    'consecutive-failures',
    'failed-runs',
    'run-rows',
    'reject-rate',
    'reject-growth',
    'stage-times',
  ];

  interface Run {
    hoursAgo: number;
    status?: string;
    seconds?: number;
    rows?: number;
    /** Its load gave way to a later batch. */
    superseded?: true;
    rejected?: number;
    error?: string;
    done?: string[];
    extractSeconds?: number;
  }

  /** The history, and what the checks make of it. */
  async function having(runs: readonly Run[]): Promise<Examination['check']> {
    await client.execute('DELETE FROM maintenance.pipeline_runs');
    for (const [index, run] of runs.entries()) {
      const { rows = 1000, rejected = 0, seconds = 60, status = 'succeeded' } = run;
      const done =
        run.done ?? (status === 'succeeded' ? ['extract', 'transform', 'model', 'load'] : []);
      const stages = done.map((stage) => ({
        stage,
        seconds: stage === 'extract' ? (run.extractSeconds ?? 10) : 10,
        rowsIn: 1000,
        rowsOut: stage === 'load' && run.superseded ? 0 : rows,
        rejected: stage === 'transform' ? rejected : 0,
        bytes: 1,
        ...(stage === 'load' && run.superseded ? { superseded: true } : {}),
      }));
      const startedAt = new Date(now.getTime() - run.hoursAgo * 3_600_000);
      await client.execute(
        `INSERT INTO maintenance.pipeline_runs (run_id, batch_id, command, status, started_at,
           seconds, stages, owner, error_code, tool_version)
         VALUES ($1, $2, 'run', $3, $4, $5, $6, $7, $8, '0')`,
        [
          `run-${index}`,
          `20260301_00000${index % 10}`,
          status,
          startedAt,
          status === 'running' ? null : seconds,
          JSON.stringify(stages),
          JSON.stringify({ user: 'a', host: 'elsewhere', pid: 1, machine: 'elsewhere' }),
          run.error ?? null,
        ],
      );
    }
    const { check } = await look(names, { target: own.target, root: '/nowhere', now: () => now });
    return check;
  }

  beforeAll(async () => {
    own = await createTestDatabase();
    client = await own.client();
  });
  afterAll(() => own.drop());

  it('are missing', async () => {
    const check = await having([]);
    expect(check('last-run')).toMatchObject({
      state: 'critical',
      runbook: { id: 'parquet-not-found' },
      next: 'Run `reviewops pipeline run`.',
    });
    expect(check('run-duration').state).toBe('skipped');
  });

  it('are older than a day', async () => {
    const check = await having([{ hoursAgo: 24 }]);
    expect(check('last-run')).toMatchObject({ state: 'critical', value: 24, unit: 'hours' });
    expect((await having([{ hoursAgo: 23.9 }]))('last-run').state).toBe('ok');
  });

  it.each([
    [['extract'], undefined, 'silver-missing'],
    [['extract', 'transform'], undefined, 'gold-incomplete'],
    [[], undefined, 'parquet-not-found'],
    [['extract', 'transform'], 'SILVER_INCOMPLETE', 'model-crash'],
    [['extract'], 'ENGINE_OUT_OF_MEMORY', 'join-out-of-memory'],
    [['extract'], 'DATABASE_UNREACHABLE', 'database-connection'],
    [[], 'TABLE_NOT_FOUND', 'relation-not-found'],
    [['extract'], 'FILE_CORRUPT', 'corrupt-batch'],
  ])('failed after %s with %s: %s', async (done, error, id) => {
    const check = await having([
      { hoursAgo: 1, status: 'failed', done, ...(error === undefined ? {} : { error }) },
    ]);
    expect(check('last-run')).toMatchObject({ state: 'critical', runbook: { id } });
  });

  it('failed more than twice in a row', async () => {
    const failed = { status: 'failed' };
    const two = [{ hoursAgo: 1, ...failed }, { hoursAgo: 2, ...failed }, { hoursAgo: 3 }];
    expect((await having(two))('consecutive-failures')).toMatchObject({ state: 'ok', value: 2 });
    const three = await having([...two.slice(0, 2), { hoursAgo: 3, ...failed }, { hoursAgo: 4 }]);
    expect(three('consecutive-failures')).toMatchObject({ state: 'critical', value: 3 });
  });

  it('took longer than 150 % of their mean; a late start is no long run (healthchecks#910)', async () => {
    const usual = [{ hoursAgo: 5 }, { hoursAgo: 4 }];
    const slow = await having([...usual, { hoursAgo: 1, seconds: 91 }]);
    expect(slow('run-duration')).toMatchObject({
      state: 'warning',
      runbook: { id: 'slow-at-peak' },
    });
    const fair = await having([...usual, { hoursAgo: 1, seconds: 90 }]);
    expect(fair('run-duration')).toMatchObject({ state: 'ok', value: 150 });
    // It hangs: 30 minutes, and still running.
    const hangs = await having([...usual, { hoursAgo: 0.5, status: 'running' }]);
    expect(hangs('run-duration')).toMatchObject({ state: 'warning', value: 3000 });
    const late = await having([{ hoursAgo: 23 }, { hoursAgo: 1 }]);
    expect(late('run-duration').state).toBe('ok');
  });

  it.each([
    [1190, 'ok'],
    [1210, 'warning'],
    [1510, 'critical'],
    [490, 'critical'],
    [0, 'critical'],
  ])('handed on %i rows where 1,000 are usual: %s', async (rows, state) => {
    const check = await having([{ hoursAgo: 3 }, { hoursAgo: 2 }, { hoursAgo: 1, rows }]);
    expect(check('run-rows').state).toBe(state);
  });

  it('takes a load that gave way to a later batch for no loss', async () => {
    const check = await having([{ hoursAgo: 2 }, { hoursAgo: 1, superseded: true }]);
    expect(check('run-rows').state).toBe('ok');
  });

  it('takes no rows, as ever, for no change (soda#1755)', async () => {
    const check = await having([
      { hoursAgo: 2, rows: 0 },
      { hoursAgo: 1, rows: 0 },
    ]);
    expect(check('run-rows').state).toBe('ok');
  });

  it.each([
    [49, 'ok'],
    [50, 'warning'],
    [100, 'critical'],
  ])('rejected %i of 1,000 rows: %s', async (rejected, state) => {
    const check = await having([{ hoursAgo: 1, rejected }]);
    expect(check('reject-rate').state).toBe(state);
    if (state !== 'ok') expect(check('reject-rate').runbook?.id).toBe('reject-rate');
  });

  it('rejected half as much again as the run before', async () => {
    const more = await having([
      { hoursAgo: 2, rejected: 20 },
      { hoursAgo: 1, rejected: 31 },
    ]);
    expect(more('reject-growth')).toMatchObject({ state: 'warning', value: 55 });
    const first = await having([
      { hoursAgo: 2, rejected: 0 },
      { hoursAgo: 1, rejected: 31 },
    ]);
    expect(first('reject-growth').state).toBe('ok');
  });

  it('fail too often', async () => {
    const many = Array.from({ length: 25 }, (_, index) => ({ hoursAgo: index + 1 }));
    expect((await having(many))('failed-runs').state).toBe('ok');
    many[7] = { hoursAgo: 8, status: 'failed' } as (typeof many)[number];
    expect((await having(many))('failed-runs')).toMatchObject({ state: 'warning', value: 4 });
    many[9] = { hoursAgo: 10, status: 'failed' } as (typeof many)[number];
    expect((await having(many))('failed-runs')).toMatchObject({ state: 'critical', value: 8 });
  });

  it('are slow in the mean', async () => {
    const check = await having([{ hoursAgo: 1, extractSeconds: 16 * 60 }]);
    expect(check('stage-times')).toMatchObject({ state: 'warning', value: 960 });
  });
});

describe('incidents', () => {
  const insert = (severity: string | null, hours: number, status = 'open') =>
    world.client.execute(
      `INSERT INTO maintenance.incidents (opened_at, severity, status, summary)
       VALUES ((now() AT TIME ZONE 'UTC') - $1 * interval '1 hour', $2, $3, 'test')`,
      [hours, severity, status],
    );

  it.each([
    ['P1', 3.9, 'ok'],
    ['P1', 4.1, 'critical'],
    ['p2', 8.1, 'critical'],
    ['P3', 47, 'ok'],
    ['P3', 49, 'warning'],
    ['P4', 121, 'warning'],
    [null, 1, 'unknown'],
  ])('%s, open for %f hours: %s', async (severity, hours, state) => {
    await world.client.execute('DELETE FROM maintenance.incidents');
    await insert(severity, hours);
    const { check } = await examine(['incidents']);
    expect(check('incidents').state).toBe(state);
    await world.client.execute('DELETE FROM maintenance.incidents');
  });

  it('counts those of the highest severity, and none that is closed', async () => {
    for (const _ of [1, 2, 3]) await insert('P1', 1);
    expect((await examine(['incidents'])).check('incidents').state).toBe('critical');
    await world.client.execute("UPDATE maintenance.incidents SET status = 'Resolved'");
    expect((await examine(['incidents'])).check('incidents').state).toBe('ok');
    await world.client.execute('DELETE FROM maintenance.incidents');
  });
});

describe('credentials', () => {
  const external = () => ({ ...world.database.target, kind: 'external' as const });
  const now = () => new Date('2026-03-01T00:00:00Z');

  it.each([
    ['2026-01-01', 'ok'],
    ['2025-12-31', 'warning'],
    ['2025-12-01', 'critical'],
  ])('password set on %s: %s', async (databasePasswordSetOn, state) => {
    const { check } = await look(['password-age'], {
      target: external(),
      root: world.root,
      now,
      settings: { health: { databasePasswordSetOn } },
    });
    expect(check('password-age').state).toBe(state);
  });

  it('knows when a rotation made it, whatever the configuration says', async () => {
    const home = await mkdtemp(join(tmpdir(), 'reviewops-home-'));
    const { username: role } = new URL(world.database.target.url);
    const by = 'rotation' as const;
    await noteCredential(home, { kind: 'database', id: role, madeAt: '2026-02-20T00:00:00Z', by });
    await noteCredential(home, { kind: 'aws', id: 'AKIA', madeAt: '2026-01-10T00:00:00Z', by });
    const health = { databasePasswordSetOn: '2025-01-01', accessKeySetOn: '2026-02-28' };
    const options = { target: external(), root: home, now };
    const { check } = await look(['password-age', 'access-key-age'], {
      ...options,
      settings: { lake: { kind: 's3' }, health },
    });
    expect(check('password-age')).toMatchObject({ state: 'ok', value: 9 });
    expect(check('access-key-age')).toMatchObject({
      state: 'critical',
      value: 50,
      runbook: { id: 'rotate-aws' },
    });
    await rm(home, { recursive: true });
  });

  it('is near the end of its validity', async () => {
    const until = new Date(Date.now() + 4.5 * 86_400_000).toISOString();
    const role = `role_${randomBytes(4).toString('hex')}`;
    await world.client.execute(
      `CREATE ROLE ${role} LOGIN PASSWORD 'kX9-a-password' VALID UNTIL '${until}'`,
    );
    const url = new URL(world.database.target.url);
    url.username = role;
    url.password = 'kX9-a-password';
    const { check } = await look(['password-age'], {
      target: { ...external(), url: url.href },
      root: world.root,
    });
    await world.client.execute(`DROP ROLE ${role}`);
    expect(check('password-age')).toMatchObject({ state: 'critical', value: 4.5 });
  });

  it.each([
    ['2026-01-26', 'ok'],
    ['2026-01-25', 'warning'],
    ['2026-01-15', 'critical'],
    [undefined, 'unknown'],
  ])('access key set on %s: %s', async (accessKeySetOn, state) => {
    const health = accessKeySetOn === undefined ? {} : { accessKeySetOn };
    const { check } = await look(['access-key-age'], {
      root: world.root,
      now,
      settings: { lake: { kind: 's3' }, health },
    });
    expect(check('access-key-age').state).toBe(state);
  });
});
