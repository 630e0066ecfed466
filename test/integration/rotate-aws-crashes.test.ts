import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readRotationState } from '../../src/credentials/record.js';
import { endInterrupted } from '../../src/runbooks/engine/run-lock.js';
import runbook from '../../src/runbooks/rotate-aws.js';
import { bury, crashAt } from '../support/crash-matrix.js';
import { type AwsWorld, awsWorld } from './aws-world.js';
import { startMoto } from './moto.js';

const moto = await startMoto();
afterAll(moto.stop);

/** A lake on this machine: STS and IAM are asked, and nothing else, so that every request counts. */
async function make(): Promise<AwsWorld> {
  const world = await awsWorld(moto, {
    aws: { soakHours: 0, graceHours: 0, verifications: 1 },
  });
  world.services.config.lake.kind = 'local';
  return world;
}

/** Looks again and again: the key that is handed out lives, and there are never three. */
function watch(world: AwsWorld) {
  let stopped = false;
  const wrong: string[] = [];
  let looks = 0;
  const done = (async () => {
    while (!stopped) {
      // The list first: what is handed out after it lived before it.
      const keys = await world.keys();
      const { id } = await world.handedOut();
      const listed = Object.keys(keys).length;
      if (listed > 2) wrong.push(`${listed} keys`);
      const known = keys[id] ?? (await world.keys())[id];
      if (known !== 'Active') wrong.push(`${id} is handed out and ${known ?? 'gone'}`);
      looks += 1;
    }
  })();
  return {
    stop: async () => {
      stopped = true;
      await done;
      return { wrong, looks };
    },
  };
}

async function goOn(world: AwsWorld): Promise<void> {
  await bury(world);
  await endInterrupted(world.home, { now: () => new Date(), signal: new AbortController().signal });
  const [file] = (await readdir(join(world.home, 'runs'))).filter((name) =>
    name.endsWith('.jsonl'),
  );
  const runId = file?.slice(0, -'.jsonl'.length);
  const entries = runId === undefined ? [] : await world.journal(runId);
  const last = entries.at(-1)?.event;
  if (last?.type === 'run.finished' && last.state === 'succeeded') return;
  const { report } =
    runId === undefined || entries.length === 0
      ? await world.run(runbook)
      : await world.resume(runbook, runId);
  expect(report.reason).toBeNull();
  expect(report.state).toBe('succeeded');
}

async function expectEnd(world: AwsWorld, old: string): Promise<void> {
  const { id } = await world.handedOut();
  expect(id).not.toBe(old);
  expect(await world.keys()).toEqual({ [id]: 'Active' });
  expect(await readRotationState(world.home, 'aws')).toBeUndefined();
}

/** Lets the process die at the nth request: before it is sent, or after it was carried out. */
async function dieAtRequest(
  world: AwsWorld,
  nth: number,
  when: 'before' | 'after',
): Promise<boolean> {
  const forEver = new Promise<never>(() => undefined);
  let reached: () => void = () => undefined;
  const died = new Promise<boolean>((resolve) => {
    reached = () => resolve(true);
  });
  const { rules, requests } = world.proxy;
  const hang = async () => {
    reached();
    return forEver;
  };
  const from = requests.length;
  const at = () => requests.length - from - 1;
  if (when === 'after') {
    rules.push({ when: () => at() === nth, fault: { kind: 'lose-answer' }, times: 1 });
  }
  const first = when === 'before' ? nth : nth + 1;
  rules.push({ when: () => at() >= first, fault: { kind: 'before', run: hang } });
  const run = world.run(runbook).then(() => false);
  const outcome = await Promise.race([died, run]);
  rules.length = 0;
  return outcome;
}

describe('the rotation of an access key, killed', () => {
  test('at every request, before it and after it', { timeout: 1_200_000 }, async () => {
    for (const when of ['before', 'after'] as const) {
      let points = 0;
      for (let nth = 0; ; nth += 1) {
        const world = await make();
        try {
          const { id } = await world.handedOut();
          const watched = watch(world);
          const died = await dieAtRequest(world, nth, when);
          if (died) await goOn(world);
          const { wrong, looks } = await watched.stop();
          expect({ nth, when, wrong }).toEqual({ nth, when, wrong: [] });
          expect(looks).toBeGreaterThan(0);
          await expectEnd(world, id);
          if (!died) break;
          points += 1;
        } finally {
          await world.dispose();
        }
      }
      expect(points).toBeGreaterThan(20);
    }
  });

  test('before every entry of its journal', { timeout: 1_200_000 }, async () => {
    const calm = await make();
    const { report } = await calm.run(runbook);
    const entries = (await calm.journal(report.runId)).length;
    await calm.dispose();
    for (let entry = 0; entry < entries; entry += 1) {
      const world = await make();
      try {
        const { id } = await world.handedOut();
        const watched = watch(world);
        await crashAt(world, runbook, {}, { entry, when: 'before' });
        await goOn(world);
        const { wrong } = await watched.stop();
        expect({ entry, wrong }).toEqual({ entry, wrong: [] });
        await expectEnd(world, id);
      } finally {
        await world.dispose();
      }
    }
  });
});
