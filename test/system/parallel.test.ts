import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mapParallel } from '../../src/system/parallel.js';

describe('mapParallel', () => {
  it('gives results in order, never more than the limit at once, whatever order work ends in', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.integer(), { maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        async (scheduler, items, limit) => {
          let atOnce = 0;
          let most = 0;
          const outcome = mapParallel(items, limit, async (item, index) => {
            atOnce += 1;
            most = Math.max(most, atOnce);
            await scheduler.schedule(Promise.resolve());
            atOnce -= 1;
            return [item, index];
          });
          const results = await scheduler.waitFor(outcome);
          expect(results).toEqual(items.map((item, index) => [item, index]));
          expect(most).toBe(Math.min(limit, items.length));
        },
      ),
    );
  });

  it('begins nothing after a failure, waits for what is under way, and throws the first', async () => {
    const begun: number[] = [];
    const ended: number[] = [];
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const outcome = mapParallel([0, 1, 2, 3], 2, async (item) => {
      begun.push(item);
      if (item === 0) {
        setImmediate(release);
        throw new Error('first');
      }
      await held;
      ended.push(item);
      throw new Error('later');
    });
    await expect(outcome).rejects.toThrow('first');
    expect(begun).toEqual([0, 1]);
    expect(ended).toEqual([1]);
  });
});
