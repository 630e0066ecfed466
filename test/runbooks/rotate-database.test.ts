import { readFile, stat } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { loginOf } from '../../src/credentials/database/login-url.js';
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

describe('alternating roles', () => {
  let world: RotationWorld;
  beforeAll(async () => {
    world = await rotationWorld({ database: { minimumGapHours: 0 } });
  });
  afterAll(() => world?.dispose());

  it('hands out the other role and locks the first', async () => {
    const before = await world.handedOut();
    const { report } = await world.run(runbook);
    expect(report.reason).toBeNull();
    expect(report.state).toBe('succeeded');
    const after = await world.handedOut();
    expect(loginOf(after).user).toBe(world.b);
    expect(await logInWith(after)).toEqual({ login: world.b, role: world.owner });
    await expect(logInWith(before)).rejects.toMatchObject({ code: 'DATABASE_LOGIN_REJECTED' });
    const text = await readFile(world.envFile, 'utf8');
    expect(text.split('\n').filter((line) => !line.startsWith('NEON_DB_URL='))).toEqual([
      '# kept',
      "OTHER='a b' # why",
      'LAST=1',
      '',
    ]);
    expect((await stat(world.envFile)).mode & 0o777).toBe(0o600);
  });

  it('takes turns, with another password each time', async () => {
    const before = loginOf(await world.handedOut());
    const { report } = await world.run(runbook);
    expect(report.reason).toBeNull();
    const after = loginOf(await world.handedOut());
    expect([before.user, after.user]).toEqual([world.b, world.a]);
    expect(after.password).not.toBe(before.password);
    expect(await logInWith(await world.handedOut())).toMatchObject({ role: world.owner });
  });

  it('shows the plan and changes nothing in a dry run', async () => {
    const before = await readFile(world.envFile, 'utf8');
    const { report } = await world.run(runbook, {}, { dryRun: true });
    expect(report.plan?.targets.map(({ type, action }) => `${action}: ${type}`)).toEqual([
      'set a new password, allow login: role',
      `hand out ${world.b}: sink`,
      'lock: role',
    ]);
    expect(await readFile(world.envFile, 'utf8')).toBe(before);
    expect(report.changed).toBe(false);
  });
});

describe('a rotation that fails', () => {
  it('a sink that fails stops it before the cut-over, with everything undone (vault#6042)', async () => {
    const world = await make({
      database: {
        sinks: [
          { kind: 'env-file', path: '.env' },
          { kind: 'command', write: ['sh', '-c', 'echo no space >&2; exit 3'] },
        ],
      },
    });
    const before = await readFile(world.envFile, 'utf8');
    const old = await world.handedOut();
    const { report } = await world.run(runbook);
    expect(report.state).toBe('failed');
    expect(report.reason).toMatch(
      /command sh did not take the new credential: .*status 3.*Everything was taken back/,
    );
    expect(await readFile(world.envFile, 'utf8')).toBe(before);
    await logInWith(old);
    const roles = await world.admin.query('SELECT rolcanlogin FROM pg_roles WHERE rolname = $1', [
      world.b,
    ]);
    expect(roles).toEqual([{ rolcanlogin: false }]);
  });
});
