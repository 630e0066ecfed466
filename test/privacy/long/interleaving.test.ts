import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { runPipeline } from '../../../src/pipeline/run.js';
import { discover } from '../../../src/privacy/erasure-plan.js';
import { derivePrivacyKeys } from '../../../src/privacy/keys.js';
import { makePrivacyWorld, nobodyGiven, type PrivacyWorld } from '../support.js';

/** A generator of its own, so that a schedule that failed can be run again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

async function traces(world: PrivacyWorld): Promise<unknown> {
  const { environment, database, lake, services } = world;
  const found = await discover(
    {
      lake,
      config: services.config,
      pseudonymKey: environment.pseudonymKey,
      keys: derivePrivacyKeys(environment.pseudonymKey),
      scratch: world.root,
      job: { report: () => undefined, signal: new AbortController().signal },
      target: database.target,
      readOnly: true,
    },
    [{ requestId: 'x', identifiers: { ...nobodyGiven, customer: ['C7'] } }],
  );
  return {
    tables: found.tables.map(({ table, rows }) => [table.id, rows]),
    files: found.objects.map(({ key, rows }) => [key, rows]),
  };
}

const schedules = Number(process.env.REVIEWOPS_SCHEDULES ?? 12);

describe('rule 6: pipeline and erasure at once, in many orders: nobody comes back', () => {
  it.each(Array.from({ length: schedules }, (_, index) => index + 1))(
    'schedule %i',
    { timeout: 120_000 },
    async (seed) => {
      const next = random(seed);
      const world = await makePrivacyWorld({ reviews: 40 });
      try {
        const first = await world.batch();
        await world.request('DSR-1', { customer: ['C7'] });
        const pipelines = Array.from({ length: 2 }, async (_, index) => {
          await pause(next() * 1500 * index);
          const again = next() < 0.3;
          await runPipeline(await world.another(), {
            command: 'run',
            from: again ? 'transform' : 'extract',
            to: 'load',
            ...(again ? { batchId: first } : {}),
          }).catch((error: Error) => {
            // The erasure holds the batch at the moment, or has just taken what it was made from.
            expect(error.message).toMatch(
              /is held by|changed|same time|could not serialize|no published/,
            );
          });
        });
        const erasing = async (): Promise<void> => {
          await pause(next() * 1500);
          for (let attempt = 1; attempt <= 8; attempt += 1) {
            const { report } = await world.erase({ requestIds: ['DSR-1'] });
            if (report.state === 'succeeded') return;
            await pause(100);
          }
          throw new Error('The erasure never succeeded.');
        };
        await Promise.all([...pipelines, erasing()]);
        expect(await traces(world)).toEqual({ tables: [], files: [] });
        // What was in flight has landed; one more run from the source brings nobody back either.
        await runPipeline(await world.another(), { command: 'run', from: 'extract', to: 'load' });
        expect(await traces(world)).toEqual({ tables: [], files: [] });
      } finally {
        await world.dispose();
      }
    },
  );
});
