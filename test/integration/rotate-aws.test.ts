import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import runbook from '../../src/runbooks/rotate-aws.js';
import { type AwsWorld, type AwsWorldOptions, awsWorld } from './aws-world.js';
import { startMoto } from './moto.js';

const moto = await startMoto();
afterAll(moto.stop);

let world: AwsWorld;
const make = async (options: AwsWorldOptions = {}) => {
  world = await awsWorld(moto, options);
  return world;
};
afterEach(() => world?.dispose());

describe('stage by stage, over days', () => {
  test('a new key is handed out, the old one watched, deactivated and deleted', async () => {
    await make({ aws: { consumers: [{ name: 'monthly report', everyHours: 720 }] } });
    const old = await world.handedOut();

    const first = await world.run(runbook);
    expect(first.report.reason).toMatch(/stays usable until/);
    expect(first.report).toMatchObject({ state: 'waiting', exitCode: 4 });
    const fresh = await world.handedOut();
    expect(fresh.id).not.toBe(old.id);
    expect(await world.keys()).toEqual({ [old.id]: 'Active', [fresh.id]: 'Active' });
    expect((await readFile(world.envFile, 'utf8')).split('\n')).toEqual([
      '# ours',
      `AWS_ACCESS_KEY_ID=${fresh.id}`,
      expect.stringMatching(/^AWS_SECRET_ACCESS_KEY=/),
      'LAST=1',
      '',
    ]);

    world.pass(25);
    const { runId } = first.report;
    const second = await world.resume(runbook, runId);
    expect(second.report.reason).toMatch(/monthly report uses it every 720 hours/);
    expect(await world.keys()).toEqual({ [old.id]: 'Active', [fresh.id]: 'Active' });

    world.pass(24 * 30);
    const third = await world.resume(runbook, runId);
    expect(third.report.reason).toMatch(/stays inactive/);
    expect(await world.keys()).toEqual({ [old.id]: 'Inactive', [fresh.id]: 'Active' });

    world.pass(73);
    const last = await world.resume(runbook, runId);
    expect(last.report.reason).toBeNull();
    expect(last.report.state).toBe('succeeded');
    expect(await world.keys()).toEqual({ [fresh.id]: 'Active' });
  });
});
