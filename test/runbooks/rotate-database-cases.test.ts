import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loginOf } from '../../src/credentials/database/login-url.js';
import { rightsOf } from '../../src/credentials/database/rights.js';
import { withClient } from '../../src/database/client.js';
import { externalTarget } from '../../src/database/url.js';
import runbook from '../../src/runbooks/rotate-database.js';
import {
  logInWith,
  type RotationWorld,
  type RotationWorldOptions,
  rotationWorld,
} from '../support/rotation.js';

const make = async (options: RotationWorldOptions = {}): Promise<RotationWorld> => {
  const world = await rotationWorld(options);
  onTestFinished(() => world.dispose());
  return world;
};

describe('what was granted to one login', () => {
  it('is compared, shown and repaired: grants, ownership, default privileges, settings (rotation-lambdas#38, #175)', async () => {
    const world = await make();
    const { admin, a, b, owner } = world;
    const extra = `other_${randomBytes(4).toString('hex')}`;
    const statements = [
      `CREATE ROLE ${extra} NOLOGIN`,
      `GRANT ${extra} TO ${a} WITH ADMIN OPTION`,
      'CREATE TABLE amazon.late (id integer, note text)',
      `GRANT SELECT, INSERT ON amazon.late TO ${a}`,
      `GRANT UPDATE (note) ON amazon.late TO ${a} WITH GRANT OPTION`,
      'CREATE SEQUENCE amazon.late_seq',
      `GRANT USAGE ON SEQUENCE amazon.late_seq TO ${a}`,
      'CREATE FUNCTION amazon.late_fn(integer) RETURNS integer LANGUAGE sql AS $$ SELECT $1 $$',
      `GRANT EXECUTE ON FUNCTION amazon.late_fn TO ${a}`,
      `GRANT CREATE ON SCHEMA amazon TO ${a}`,
      `ALTER DEFAULT PRIVILEGES IN SCHEMA amazon GRANT SELECT ON TABLES TO ${a}`,
      `ALTER DEFAULT PRIVILEGES FOR ROLE ${a} GRANT SELECT ON TABLES TO ${extra}`,
      `ALTER ROLE ${a} SET search_path = amazon, public`,
      `ALTER ROLE ${a} IN DATABASE "${new URL(world.database.target.url).pathname.slice(1)}" SET work_mem = '8MB'`,
      `ALTER ROLE ${a} CONNECTION LIMIT 17`,
      'CREATE TABLE amazon.owned (id integer)',
      `ALTER TABLE amazon.owned OWNER TO ${a}`,
    ];
    for (const statement of statements) await admin.execute(statement);
    const { report } = await world.run(runbook);
    expect(report.reason).toBeNull();
    const shown = report.plan?.targets.filter(({ type }) => type === 'difference') ?? [];
    expect(shown.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        `role ${b} does not exist`,
        `${owner} lacks: CREATE on SCHEMA amazon`,
        `${a} owns table amazon.owned`,
        `what ${a} makes would belong to it`,
        `${b} lacks: INSERT on TABLE amazon.late`,
        `${b} lacks: UPDATE (note) on TABLE amazon.late, may grant it`,
        `${b} lacks: USAGE on SEQUENCE amazon.late_seq`,
        `${b} lacks: EXECUTE on ROUTINE amazon.late_fn(integer)`,
        `${b} lacks: CREATE on SCHEMA amazon`,
        `${b} lacks: search_path = amazon, public`,
        `${b} lacks: at most 17 connections`,
      ]),
    );
    const [ofA, ofB] = [await rightsOf(admin, a, a), await rightsOf(admin, b, b)];
    expect(ofB.map(({ what }) => what)).toEqual(ofA.map(({ what }) => what));
    expect(ofB.length).toBeGreaterThan(12);
    const url = await world.handedOut();
    const seen = await withClient(
      externalTarget(url),
      {
        purpose: 'test',
        settings: world.services.config.database,
        signal: new AbortController().signal,
      },
      async (client) => {
        await client.execute('CREATE TABLE amazon.made_by_the_new_one (id integer)');
        return client.query(
          `SELECT current_setting('search_path') AS path, current_setting('work_mem') AS memory,
                  pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relname = 'made_by_the_new_one'`,
        );
      },
    );
    expect(seen).toEqual([{ path: 'amazon, public', memory: '8MB', owner }]);
    await admin.execute(`DROP OWNED BY ${extra}`);
    await admin.execute(`REVOKE ${extra} FROM ${a}, ${b}, ${owner} CASCADE`);
    await admin.execute(`DROP ROLE ${extra}`);
  });

  it('goes on with the new one when it was granted while the run waited', async () => {
    const world = await make({ database: { soakHours: 1 } });
    const { report } = await world.run(runbook);
    expect(report).toMatchObject({ state: 'waiting', exitCode: 4 });
    expect(report.due).toMatch(/^\d{4}-/);
    await world.admin.execute(`GRANT TRIGGER ON amazon.review TO ${world.a}`);
    world.clock.now = () => new Date(Date.now() + 2 * 3_600_000);
    const { report: last, events } = await world.resume(runbook, report.runId);
    expect(last.state).toBe('succeeded');
    expect(events).toContainEqual(
      expect.objectContaining({
        type: 'warning',
        text: `Given since the plan was made: ${world.b} lacks: TRIGGER on TABLE amazon.review.`,
      }),
    );
    const rights = await rightsOf(world.admin, world.b, world.b);
    expect(rights.map(({ what }) => what)).toContain('TRIGGER on TABLE amazon.review');
  });
});

describe('sessions of the old login', () => {
  it('are waited for, and ended only on request (vault#699)', async () => {
    const world = await make();
    const url = await world.handedOut();
    const options = {
      purpose: 'old consumer',
      settings: world.services.config.database,
      signal: new AbortController().signal,
    };
    await withClient(externalTarget(url), options, async (consumer) => {
      const { report } = await world.run(runbook);
      expect(report.state).toBe('waiting');
      expect(report.reason).toMatch(/1 sessions are still logged in as .*old consumer/);
      const [row] = await consumer.query<{ alive: number }>('SELECT 1 AS alive');
      expect(row?.alive).toBe(1);
      // It can still connect anew: nothing is locked under it.
      await logInWith(url);
      expect((await world.resume(runbook, report.runId)).report.state).toBe('waiting');
    });
    const again = await make();
    const old = await again.handedOut();
    await withClient(externalTarget(old), options, async (consumer) => {
      const { report } = await again.run(runbook, { endSessions: true });
      expect(report.state).toBe('succeeded');
      await expect(consumer.query('SELECT 1')).rejects.toMatchObject({ exitCode: 5 });
    });
  });
});

describe('what would go wrong', () => {
  it('is refused before anything changes: a second rotation within the minimum gap (vault#18738)', async () => {
    const world = await make();
    await world.run(runbook);
    const before = await readFile(world.envFile, 'utf8');
    const { report } = await world.run(runbook);
    expect(report).toMatchObject({
      state: 'refused',
      exitCode: 3,
      error: { code: 'ROTATED_RECENTLY' },
    });
    expect(await readFile(world.envFile, 'utf8')).toBe(before);
  });

  it('is refused: a rotation while another one is under way', async () => {
    const world = await make({ database: { soakHours: 1, minimumGapHours: 0 } });
    await world.run(runbook);
    const { report } = await world.run(runbook);
    expect(report).toMatchObject({ state: 'refused', error: { code: 'ROTATION_UNDER_WAY' } });
    await logInWith(await world.handedOut());
  });

  it('is refused: roles that may not be managed, found out beforehand', async () => {
    const world = await make();
    const plain = `plain_${randomBytes(4).toString('hex')}`;
    await world.admin.execute(`CREATE ROLE ${plain} LOGIN PASSWORD 'plainpassword'`);
    const url = new URL(world.database.target.url);
    url.username = plain;
    url.password = 'plainpassword';
    const surroundings = await world.services.surroundings();
    world.services.surroundings = async () => ({
      ...surroundings,
      lookup: () => ({ value: url.href, source: 'test' }),
    });
    const { report } = await world.run(runbook);
    expect(report.error?.code).toBe('ROTATION_NOT_ALLOWED');
    expect(report.error?.hint).toContain('REVIEWOPS_DATABASE_ADMIN_URL');
    await world.admin.execute(`DROP ROLE ${plain}`);
  });

  it('tells the real error, not that of what was tried after it (rotation-lambdas PR13)', async () => {
    const world = await make();
    const { lookup } = await world.services.surroundings();
    const url = await world.handedOut();
    const marker = join(world.root, 'told');
    world.services.config.credentials.database.sinks = [
      { kind: 'command', write: ['sh', '-c', `touch ${marker}; exit 7`] },
    ];
    // Once the sink has failed, nobody reaches the server as administrator any more.
    world.services.surroundings = async () => ({
      profile: 'test',
      directory: world.root,
      lookup: (name) => {
        if (name === 'NEON_DB_URL') return { value: url, source: 'test' };
        return existsSync(marker)
          ? { value: 'postgresql://x:y@127.0.0.1:1/none', source: 'test' }
          : lookup(name);
      },
    });
    const { report } = await world.run(runbook);
    expect(report.reason).toMatch(
      /command sh did not take .*status 7\..*could not be taken back either: No connection/,
    );
  });

  it('can be taken back until the old login is gone', async () => {
    const world = await make({ database: { soakHours: 1 } });
    const before = await readFile(world.envFile, 'utf8');
    const old = await world.handedOut();
    const { report } = await world.run(runbook);
    const fresh = await world.handedOut();
    expect(loginOf(fresh).user).toBe(world.b);
    const { report: undone } = await world.resume(runbook, report.runId, { undo: true });
    expect(undone).toMatchObject({ state: 'aborted', exitCode: 0 });
    expect(await readFile(world.envFile, 'utf8')).toBe(before);
    await logInWith(old);
    await expect(logInWith(fresh)).rejects.toMatchObject({ code: 'DATABASE_LOGIN_REJECTED' });
  });

  it('a full or read-only directory is found before anything changes', async () => {
    const world = await make();
    if (process.getuid?.() === 0) {
      await writeFile(join(world.root, 'not-a-directory'), '');
      world.services.config.credentials.database.sinks = [
        { kind: 'env-file', path: 'not-a-directory/.env' },
      ];
    } else {
      await chmod(world.root, 0o500);
    }
    const { report } = await world.run(runbook);
    await chmod(world.root, 0o700);
    expect(report.changed).toBe(false);
    expect(report.state).not.toBe('succeeded');
  });
});
