import { readFile, stat } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loginOf } from '../../src/credentials/database/login-url.js';
import runbook from '../../src/runbooks/rotate-database.js';
import { logInWith, type RotationWorld, rotationWorld } from '../support/rotation.js';

let world: RotationWorld;

beforeAll(async () => {
  world = await rotationWorld({ database: { minimumGapHours: 0 } });
});
afterAll(() => world?.dispose());

describe('alternating roles', () => {
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

  it('takes turns', async () => {
    const { report } = await world.run(runbook);
    expect(report.reason).toBeNull();
    const after = await world.handedOut();
    expect(await logInWith(after)).toEqual({ login: world.a, role: world.owner });
  });
});
