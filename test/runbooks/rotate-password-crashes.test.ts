import { describe, expect, it } from 'vitest';
import { loginOf } from '../../src/credentials/database/login-url.js';
import { readRotationState } from '../../src/credentials/record.js';
import { endInterrupted } from '../../src/runbooks/engine/run-lock.js';
import runbook from '../../src/runbooks/rotate-password.js';
import { bury, crashAt } from '../support/crash-matrix.js';
import { type NeonStandIn, startNeon } from '../support/neon-api.js';
import { logInWith, type RotationWorld, rotationWorld } from '../support/rotation.js';
import { dieAtStatement, onlyRun } from '../support/statement-kill.js';

interface World extends RotationWorld {
  neon?: NeonStandIn;
}

const single = (): Promise<World> => rotationWorld({ database: { mode: 'single' } });

/** With a stand-in for Neon's API, which resets passwords in the real server. */
async function neon(): Promise<World> {
  const variables: Record<string, string> = {};
  const world = await rotationWorld({
    database: { mode: 'neon', neonBranch: 'br-main-1' },
    variables,
  });
  const { password = '' } = loginOf(await world.handedOut());
  const standIn = await startNeon(world.admin, [world.a], { [world.a]: password });
  variables.NEON_API_KEY = standIn.key;
  Object.assign(world.services.config.health, {
    neonApi: standIn.api,
    neonProject: standIn.project,
  });
  const { dispose } = world;
  return Object.assign(world, {
    neon: standIn,
    dispose: async () => {
      await standIn.stop();
      await dispose();
    },
  });
}

async function finish(world: World, runId: string | undefined): Promise<void> {
  await endInterrupted(world.home, {
    now: () => new Date(),
    signal: new AbortController().signal,
  });
  const last = runId === undefined ? undefined : (await world.journal(runId)).at(-1)?.event;
  if (last?.type === 'run.finished' && last.state === 'succeeded') return;
  const { report } =
    runId === undefined ? await world.run(runbook) : await world.resume(runbook, runId);
  expect(report.reason).toBeNull();
  expect(report.state).toBe('succeeded');
}

/** The end that every interrupted run has to come to. */
async function expectEnd(world: World, old: string): Promise<void> {
  const url = await world.handedOut();
  expect(loginOf(url).user).toBe(world.a);
  await logInWith(url);
  await expect(logInWith(old)).rejects.toMatchObject({ code: 'DATABASE_PASSWORD_REJECTED' });
  expect(await readRotationState(world.home, 'database')).toBeUndefined();
  const resets = world.neon?.requests.filter((one) => one.startsWith('POST')).length;
  // A second reset would kill the password that consumers have just been given.
  if (resets !== undefined) expect(resets).toBe(1);
}

/** Kills before and after every entry of the journal; gives the number of kills. */
async function killedAtEntries(make: () => Promise<World>): Promise<number> {
  const calm = await make();
  const { report } = await calm.run(runbook);
  expect(report.reason).toBeNull();
  const entries = (await calm.journal(report.runId)).length;
  await calm.dispose();
  for (let entry = 0; entry < entries; entry += 1) {
    for (const when of ['before', 'after'] as const) {
      const world = await make();
      try {
        const old = await world.handedOut();
        const runId = await crashAt(world, runbook, {}, { entry, when });
        // Between two entries what is handed out works: the gap lies inside of one act.
        await logInWith(await world.handedOut());
        await finish(world, runId);
        await expectEnd(world, old);
      } finally {
        await world.dispose();
      }
    }
  }
  return entries * 2;
}

/** Lets the process die at the nth request to Neon: before it is carried out, or before its answer. */
async function dieAtRequest(
  world: World,
  standIn: NeonStandIn,
  nth: number,
  when: 'before' | 'after',
): Promise<boolean> {
  const forEver = new Promise<never>(() => undefined);
  let seen = -1;
  const died = new Promise<boolean>((resolve) => {
    standIn.pass = async (moment) => {
      if (moment === 'before') seen += 1;
      if (seen < nth || (seen === nth && moment !== when)) return;
      resolve(true);
      await forEver;
    };
  });
  const run = world.run(runbook).then(() => false);
  const outcome = await Promise.race([died, run]);
  standIn.pass = async () => undefined;
  return outcome;
}

describe('the change of the only password, killed', () => {
  it('before and after every entry of its journal', { timeout: 900_000 }, async () => {
    expect(await killedAtEntries(single)).toBeGreaterThan(40);
  });

  it('before and after every statement: a resume closes the gap, whatever it finds', {
    timeout: 900_000,
  }, async () => {
    let points = 0;
    let gaps = 0;
    for (const when of ['before', 'after'] as const) {
      for (let nth = 0; ; nth += 1) {
        const world = await single();
        try {
          const old = await world.handedOut();
          const died = await dieAtStatement(world, runbook, nth, when);
          if (died) {
            await bury(world);
            const now = await world.handedOut();
            await logInWith(now).catch(() => {
              // The sinks had the new password and the transaction was not committed: the gap.
              expect(now).not.toBe(old);
              gaps += 1;
            });
            await finish(world, await onlyRun(world));
          }
          await expectEnd(world, old);
          if (!died) break;
          points += 1;
        } finally {
          await world.dispose();
        }
      }
    }
    // BEGIN, ALTER ROLE and COMMIT; the gap lies before COMMIT and nowhere else.
    expect({ points, gaps }).toEqual({ points: 6, gaps: 1 });
  });
});

describe('the reset by Neon, killed', () => {
  it('before and after every entry of its journal', { timeout: 900_000 }, async () => {
    expect(await killedAtEntries(neon)).toBeGreaterThan(40);
  });

  it('at every request: the password is reset once, and never lost', {
    timeout: 900_000,
  }, async () => {
    let points = 0;
    for (const when of ['before', 'after'] as const) {
      for (let nth = 0; ; nth += 1) {
        const world = await neon();
        try {
          const old = await world.handedOut();
          if (world.neon === undefined) throw new Error('There is no stand-in.');
          const died = await dieAtRequest(world, world.neon, nth, when);
          if (died) {
            await bury(world);
            await finish(world, await onlyRun(world));
          }
          await expectEnd(world, old);
          if (!died) break;
          points += 1;
        } finally {
          await world.dispose();
        }
      }
    }
    expect(points).toBeGreaterThanOrEqual(8);
  });
});
