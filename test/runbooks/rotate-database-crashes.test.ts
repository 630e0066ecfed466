import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { loginOf } from '../../src/credentials/database/login-url.js';
import { readRotationState } from '../../src/credentials/record.js';
import { endInterrupted } from '../../src/runbooks/engine/run-lock.js';
import runbook from '../../src/runbooks/rotate-database.js';
import { bury, crashAt } from '../support/crash-matrix.js';
import { logInWith, type RotationWorld, rotationWorld } from '../support/rotation.js';

/** What a consumer does, over and over: reads the `.env` and logs in with what it holds. */
function consume(world: RotationWorld) {
  let stopped = false;
  const dead: string[] = [];
  let logins = 0;
  const done = (async () => {
    while (!stopped) {
      const url = await world.handedOut();
      try {
        await logInWith(url);
        logins += 1;
      } catch (error) {
        // What was replaced between reading and using is read again, as consumers do.
        if ((await world.handedOut()) === url) dead.push(String(error));
      }
    }
  })();
  return {
    stop: async () => {
      stopped = true;
      await done;
      return { dead, logins };
    },
  };
}

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
    // The consumer of this test may just be logged in with what it read a moment ago.
    if (report.state === 'waiting' && report.reason?.includes('sessions are still')) continue;
    expect(report.reason).toBeNull();
    expect(report.state).toBe('succeeded');
    return;
  }
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

/** What changes something, and where transactions begin and end. */
const changes = /^(ALTER|CREATE|GRANT|REVOKE|REASSIGN|BEGIN|COMMIT)/;

/** Lets the process die at the nth statement by which it changes roles. */
async function dieAtStatement(
  world: RotationWorld,
  nth: number,
  when: 'before' | 'after',
): Promise<boolean> {
  type Query = (this: pg.Client, ...args: unknown[]) => Promise<unknown>;
  const original = pg.Client.prototype.query as unknown as Query;
  const forEver = new Promise<never>(() => undefined);
  let reached: () => void = () => undefined;
  const died = new Promise<boolean>((resolve) => {
    reached = () => resolve(true);
  });
  let seen = 0;
  const patched: Query = async function (...args) {
    const ours = (this as unknown as { connectionParameters: { application_name?: string } })
      .connectionParameters.application_name;
    const statement = typeof args[0] === 'string' ? args[0] : '';
    if (ours !== 'reviewops rotate credential' || !changes.test(statement)) {
      return original.apply(this, args);
    }
    if (seen > nth) return forEver;
    const here = seen === nth;
    seen += 1;
    if (here && when === 'before') {
      hangUp(this);
      reached();
      return forEver;
    }
    const result = await original.apply(this, args);
    if (!here) return result;
    hangUp(this);
    reached();
    return forEver;
  };
  (pg.Client.prototype as unknown as { query: Query }).query = patched;
  try {
    const run = world.run(runbook).then(() => false);
    return await Promise.race([died, run]);
  } finally {
    (pg.Client.prototype as unknown as { query: Query }).query = original;
  }
}

const hangUp = (client: pg.Client): void => {
  (
    client as unknown as { connection: { stream: { destroy(): void } } }
  ).connection.stream.destroy();
};

const onlyRun = async (world: RotationWorld): Promise<string | undefined> => {
  const { readdir } = await import('node:fs/promises');
  const { join } = await import('node:path');
  const [file] = (await readdir(join(world.home, 'runs'))).filter((name) =>
    name.endsWith('.jsonl'),
  );
  return file?.slice(0, -'.jsonl'.length);
};

describe('the rotation of the database login, killed', () => {
  it('before and after every entry of its journal', { timeout: 900_000 }, async () => {
    const calm = await rotationWorld();
    const { report } = await calm.run(runbook);
    const entries = (await calm.journal(report.runId)).length;
    await calm.dispose();
    expect(entries).toBeGreaterThan(35);
    for (let entry = 0; entry < entries; entry += 1) {
      for (const when of ['before', 'after'] as const) {
        const world = await rotationWorld();
        try {
          const consumer = consume(world);
          const runId = await crashAt(world, runbook, {}, { entry, when });
          await logInWith(await world.handedOut());
          await finished(world, runId);
          const { dead, logins } = await consumer.stop();
          expect({ entry, when, dead }).toEqual({ entry, when, dead: [] });
          expect(logins).toBeGreaterThan(0);
          await expectEnd(world);
        } finally {
          await world.dispose();
        }
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
          const died = await dieAtStatement(world, nth, when);
          if (died) {
            await bury(world);
            await logInWith(await world.handedOut());
            await finished(world, await onlyRun(world));
          }
          const { dead } = await consumer.stop();
          expect({ nth, when, dead }).toEqual({ nth, when, dead: [] });
          await expectEnd(world);
          if (!died) break;
          points += 1;
        } finally {
          await world.dispose();
        }
      }
    }
    expect(points).toBeGreaterThanOrEqual(20);
  });
});
