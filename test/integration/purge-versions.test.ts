import { PutBucketVersioningCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, describe, expect, it } from 'vitest';
import type { Lake } from '../../src/lake/lake.js';
import { batchPrefix } from '../../src/lake/layout.js';
import purgeBatches from '../../src/runbooks/purge-batches.js';
import { batchesIn, keysOf, putBatch } from '../maintenance/support.js';
import { type RunbookWorld, runbookWorld } from '../support/runbooks.js';
import { inFourBuckets, openS3Lake } from '../support/s3-lake.js';
import { clientOf } from '../support/s3-probe.js';
import { startMoto } from './moto.js';

const { stop, enforceAccess: _, ...server } = await startMoto();
const client = clientOf(server);
afterAll(stop);

const january = '20260101_000000';
const march = '20260316_000000';

/** A lake in four buckets, versioned or not, with a batch that was made twice and a newer one. */
async function s3World(
  versioned: boolean,
): Promise<{ world: RunbookWorld; lake: Lake; raw: string }> {
  const address = await inFourBuckets(server);
  const bucket = (layer: string) => address.pattern.replace('{layer}', layer);
  if (versioned) {
    for (const layer of ['raw', 'bronze', 'silver', 'gold']) {
      const VersioningConfiguration = { Status: 'Enabled' } as const;
      await client.send(
        new PutBucketVersioningCommand({ Bucket: bucket(layer), VersioningConfiguration }),
      );
    }
  }
  const lake = await openS3Lake(address);
  for (const batchId of [january, january, march]) await putBatch(lake, batchId);
  const world = await runbookWorld({ database: false, settings: { retention: { keepLast: 1 } } });
  world.services.databaseUrl = async () => undefined;
  world.services.lake = async () => lake;
  return { world, lake, raw: bucket('raw') };
}

async function versionsOf(lake: Lake, batchId: string): Promise<number> {
  let count = 0;
  for (const layer of ['raw', 'bronze', 'silver', 'gold'] as const) {
    for await (const _version of lake.versions?.list(batchPrefix(layer, batchId)) ?? []) count += 1;
  }
  return count;
}

describe('a purge on S3', () => {
  // aws-sdk-go-v2#2607: on a versioned bucket a delete only adds a marker.
  it('says that a versioned bucket frees nothing, and frees it when told to', async () => {
    const { world, lake } = await s3World(true);
    try {
      const before = await versionsOf(lake, january);
      expect(before).toBeGreaterThan(9);
      const { report } = await world.run(purgeBatches, { batchIds: [january] });
      expect(report).toMatchObject({ state: 'succeeded', plan: { totals: { bytesFreed: 0 } } });
      expect(report.plan?.notes.join()).toMatch(/deleting frees 0 B of .* --versions removes them/);
      expect(report.steps.at(-1)).toMatchObject({
        verified: { evidence: { objectsDeleted: 9, bytesFreed: 0 } },
      });
      expect(await batchesIn(lake)).toEqual({ [march]: 9 });
      expect(await versionsOf(lake, january)).toBeGreaterThan(before);

      await putBatch(lake, january);
      const second = await world.run(purgeBatches, { batchIds: [january], versions: true });
      expect(second.report).toMatchObject({ state: 'succeeded' });
      expect(second.report.steps.at(-1)).toMatchObject({
        verified: { evidence: { objectsDeleted: 9, versionsLeft: 0 } },
      });
      const freed = second.report.plan?.totals.storedBytes;
      expect(second.report.steps.at(-1)?.verified?.evidence?.bytesFreed).toBe(freed);
      expect(await versionsOf(lake, january)).toBe(0);
      expect(await versionsOf(lake, march)).toBeGreaterThan(0);
    } finally {
      await world.dispose();
    }
  });

  it('frees what it deletes where no versions are kept, over pages and groups of 1,000', async () => {
    const { world, lake, raw } = await s3World(false);
    try {
      const keys = Array.from({ length: 1100 }, (_, n) => `batch=${january}/${n}.csv`);
      for (let at = 0; at < keys.length; at += 50) {
        await Promise.all(
          keys
            .slice(at, at + 50)
            .map((Key) => client.send(new PutObjectCommand({ Bucket: raw, Key, Body: 'x' }))),
        );
      }
      const { report } = await world.run(purgeBatches, { batchIds: [january] });
      expect(report).toMatchObject({ state: 'succeeded' });
      expect(report.plan?.notes).toEqual([]);
      expect(report.steps.at(-1)).toMatchObject({
        verified: {
          evidence: { objectsDeleted: 1109, bytesFreed: report.plan?.totals.bytes },
        },
      });
      expect(await keysOf(lake, 'raw/')).toEqual([]);
    } finally {
      await world.dispose();
    }
  });
});
