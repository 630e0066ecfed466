import { afterAll, expect, it } from 'vitest';
import purgeBatches from '../../src/runbooks/purge-batches.js';
import { batchesIn, putBatch } from '../maintenance/support.js';
import { runbookWorld } from '../support/runbooks.js';
import { inFourBuckets, openS3Lake } from '../support/s3-lake.js';
import { startS3 } from '../support/s3-server.js';

const { stop, ...server } = await startS3();
afterAll(stop);

const january = '20260101_000000';
const march = '20260316_000000';

it('says what a purge frees on a store that lists objects and knows no versions', async () => {
  const lake = await openS3Lake(await inFourBuckets(server));
  for (const batchId of [january, march]) await putBatch(lake, batchId);
  const world = await runbookWorld({ database: false, settings: { retention: { keepLast: 1 } } });
  world.services.databaseUrl = async () => undefined;
  world.services.lake = async () => lake;
  try {
    const { report } = await world.run(purgeBatches, { batchIds: [january] });
    const { bytes = 0, bytesFreed } = report.plan?.totals ?? {};
    expect(bytes).toBeGreaterThan(0);
    expect(bytesFreed).toBe(bytes);
    expect(report.plan?.notes).toEqual([]);
    expect(report.steps.at(-1)).toMatchObject({
      verified: { evidence: { objectsDeleted: 9, bytesFreed: bytes, versionsLeft: 0 } },
    });
    expect(await batchesIn(lake)).toEqual({ [march]: 9 });
  } finally {
    await world.dispose();
  }
});
