import { readFile } from 'node:fs/promises';
import { expect, it, onTestFinished } from 'vitest';
import { loginOf } from '../../src/credentials/database/login-url.js';
import runbook from '../../src/runbooks/rotate-password.js';
import { type NeonStandIn, startNeon } from '../support/neon-api.js';
import { logInWith, type RotationWorld, rotationWorld } from '../support/rotation.js';

const make = async (
  database: object,
  variables: Record<string, string> = {},
): Promise<RotationWorld> => {
  const world = await rotationWorld({ database, variables });
  onTestFinished(() => world.dispose());
  return world;
};

const failing = { kind: 'command', write: ['sh', '-c', '[ "$REVIEWOPS_STAGE" != current ]'] };

it('one role: the password changes, with the gap said aloud', async () => {
  const world = await make({ mode: 'single' });
  const old = await world.handedOut();
  const { report } = await world.run(runbook);
  expect(report.reason).toBeNull();
  expect(report.plan?.summary).toMatch(/There is a gap/);
  const fresh = await world.handedOut();
  expect(loginOf(fresh).user).toBe(world.a);
  await logInWith(fresh);
  await expect(logInWith(old)).rejects.toMatchObject({ code: 'DATABASE_PASSWORD_REJECTED' });
});

it('one role: changes its own password where nobody else manages it', async () => {
  const world = await make({ mode: 'single' });
  const surroundings = await world.services.surroundings();
  world.services.surroundings = async () => ({ ...surroundings, lookup: () => undefined });
  const { report } = await world.run(runbook);
  expect(report.reason).toBeNull();
  await logInWith(await world.handedOut());
});

it('one role: a sink that fails at the switch leaves the old password in force', async () => {
  const world = await make({
    mode: 'single',
    sinks: [{ kind: 'env-file', path: '.env' }, failing],
  });
  const before = await readFile(world.envFile, 'utf8');
  const { report } = await world.run(runbook);
  expect(report.reason).toMatch(/command sh did not take the new credential/);
  await logInWith(await world.handedOut());
  const { report: undone } = await world.resume(runbook, report.runId, { undo: true });
  expect(undone.reason).toMatch(/Undone|could not/);
  await logInWith(await world.handedOut());
  expect(loginOf(await world.handedOut())).toEqual(
    loginOf(/NEON_DB_URL=(.*)/.exec(before)?.[1] ?? ''),
  );
});

const withNeon = async (database: object = {}): Promise<RotationWorld & { neon: NeonStandIn }> => {
  const variables: Record<string, string> = {};
  const world = await make({ mode: 'neon', neonBranch: 'br-main-1', ...database }, variables);
  const neon = await startNeon(world.admin, [world.a]);
  onTestFinished(() => neon.stop());
  variables.NEON_API_KEY = neon.key;
  Object.assign(world.services.config.health, { neonApi: neon.api, neonProject: neon.project });
  return Object.assign(world, { neon });
};

it('Neon: resets at once, names the branches that keep the old password', async () => {
  const world = await withNeon();
  const old = await world.handedOut();
  const { report } = await world.run(runbook);
  expect(report.reason).toBeNull();
  expect(report.plan?.summary).toMatch(/dead at once/);
  expect(report.plan?.notes.join()).toContain(
    'Branch preview (br-child-2) was made from this one and keeps the old password.',
  );
  await logInWith(await world.handedOut());
  await expect(logInWith(old)).rejects.toMatchObject({ code: 'DATABASE_PASSWORD_REJECTED' });
  expect(world.neon.requests.filter((one) => one.startsWith('POST'))).toEqual([
    `POST /projects/cool-project-1/branches/br-main-1/roles/${world.a}/reset_password`,
  ]);
});

it('Neon: an answer that was lost is asked for again, without another reset', async () => {
  const world = await withNeon();
  world.neon.loseAnswers = 1;
  const { report } = await world.run(runbook);
  expect(report.error?.code).toBe('NEON_UNREACHABLE');
  const { report: resumed } = await world.resume(runbook, report.runId);
  expect(resumed.reason).toBeNull();
  await logInWith(await world.handedOut());
  expect(world.neon.requests.filter((one) => one.startsWith('POST'))).toHaveLength(1);
});

it('Neon: a sink that fails afterwards does not lose the password, and the others have it', async () => {
  const world = await withNeon({ sinks: [failing, { kind: 'env-file', path: '.env' }] });
  const { report } = await world.run(runbook);
  expect(report).toMatchObject({ state: 'failed', exitCode: 4 });
  expect(report.error?.hint).toMatch(/resume the run at once/);
  await logInWith(await world.handedOut());
  world.services.config.credentials.database.sinks = [{ kind: 'env-file', path: '.env' }];
  const { report: resumed } = await world.resume(runbook, report.runId);
  expect(resumed.reason).toBeNull();
});

it('Neon: a wrong key is found before anything is reset', async () => {
  const world = await withNeon();
  const { lookup } = await world.services.surroundings();
  const surroundings = await world.services.surroundings();
  world.services.surroundings = async () => ({
    ...surroundings,
    lookup: (name) =>
      name === 'NEON_API_KEY' ? { value: 'wrong-key', source: 'test' } : lookup(name),
  });
  const { report } = await world.run(runbook);
  expect(report.error?.code).toBe('NEON_REFUSED');
  expect(report.changed).toBe(false);
  await logInWith(await world.handedOut());
});
