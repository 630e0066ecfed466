import { describe, expect, it } from 'vitest';
import { loginOf } from '../../src/credentials/database/login-url.js';
import { readRotationState } from '../../src/credentials/record.js';
import { endInterrupted } from '../../src/runbooks/engine/run-lock.js';
import type { RunReport } from '../../src/runbooks/engine/runner.js';
import runbook from '../../src/runbooks/rotate-database.js';
import { consume } from '../support/consumer.js';
import { bury, type CrashPoint, crashAt, EndedBefore } from '../support/crash-matrix.js';
import { logInWith, type RotationWorld, rotationWorld } from '../support/rotation.js';
import { dieAtStatement, onlyRun } from '../support/statement-kill.js';

/** The consumer of a test may just be logged in with what it read a moment ago. */
const waitsForConsumer = ({ state, reason }: RunReport): boolean =>
  state === 'waiting' && reason?.includes('sessions are still') === true;

const finished = async (world: RotationWorld, runId: string | undefined): Promise<void> => {
  const watch = { now: () => new Date(), signal: new AbortController().signal };
  await endInterrupted(world.home, watch);
  if (runId === undefined) {
    expect((await world.run(runbook)).report.state).toBe('succeeded');
    return;
  }
  const last = (await world.journal(runId)).at(-1)?.event;
  if (last?.type === 'run.finished' && last.state === 'succeeded') return;
  for (;;) {
    const { report } = await world.resume(runbook, runId);
    if (waitsForConsumer(report)) continue;
    expect(report.reason).toBeNull();
    expect(report.state).toBe('succeeded');
    return;
  }
};

const hasSucceeded = async (world: RotationWorld): Promise<boolean> => {
  const last = (await world.journal((await onlyRun(world)) ?? '')).at(-1)?.event;
  return last?.type === 'run.finished' && last.state === 'succeeded';
};

/** The end that every interrupted run has to come to. */
const expectEnd = async (world: RotationWorld): Promise<void> => {
  const url = await world.handedOut();
  expect(loginOf(url).user).toBe(world.b);
  expect(await logInWith(url)).toEqual({ login: world.b, role: world.owner });
  const roles = await world.admin.query(
    'SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname IN ($1, $2) ORDER BY 1',
    [world.a, world.b],
  );
  expect(roles).toEqual([
    { rolname: world.a, rolcanlogin: false },
    { rolname: world.b, rolcanlogin: true },
  ]);
  expect(await readRotationState(world.home, 'database')).toBeUndefined();
};

/** Kills a run there and goes on to its end; false when it waited for the consumer before. */
async function diesAt(point: CrashPoint): Promise<boolean> {
  const world = await rotationWorld();
  const consumer = consume(world);
  try {
    const runId = await crashAt(world, runbook, {}, point);
    await logInWith(await world.handedOut());
    await finished(world, runId);
    const { dead, logins } = await consumer.stop();
    expect({ ...point, dead }).toEqual({ ...point, dead: [] });
    expect(logins).toBeGreaterThan(0);
    await expectEnd(world);
    return true;
  } catch (error) {
    if (error instanceof EndedBefore && waitsForConsumer(error.report)) return false;
    throw error;
  } finally {
    await consumer.stop();
    await world.dispose();
  }
}

describe('the rotation of the database login, killed', () => {
  it('before and after every entry of its journal', { timeout: 900_000 }, async () => {
    const calm = await rotationWorld();
    const { report } = await calm.run(runbook);
    const entries = (await calm.journal(report.runId)).length;
    await calm.dispose();
    expect(entries).toBeGreaterThan(35);
    for (let entry = 0; entry < entries; entry += 1) {
      for (const when of ['before', 'after'] as const) {
        // A run that waits for the consumer never comes to the entry: then it is done anew.
        while (!(await diesAt({ entry, when })));
      }
    }
  });

  it('before and after every statement that changes something (vault#6042, PR8782)', {
    timeout: 1_800_000,
  }, async () => {
    let points = 0;
    for (const when of ['before', 'after'] as const) {
      for (let nth = 0; ; nth += 1) {
        const world = await rotationWorld();
        try {
          const consumer = consume(world);
          const died = await dieAtStatement(world, runbook, nth, when);
          if (died) {
            await bury(world);
            await logInWith(await world.handedOut());
            await finished(world, await onlyRun(world));
          }
          // The consumer may just be logged in with the old login: the run waits then, alive.
          const ended = died || (await hasSucceeded(world));
          if (!ended) await finished(world, await onlyRun(world));
          const { dead } = await consumer.stop();
          expect({ nth, when, dead }).toEqual({ nth, when, dead: [] });
          await expectEnd(world);
          if (!ended) nth -= 1;
          else if (died) points += 1;
          else break;
        } finally {
          await world.dispose();
        }
      }
    }
    expect(points).toBeGreaterThanOrEqual(20);
  });
});
