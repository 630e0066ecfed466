import { PutBucketVersioningCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callerIdentity } from '../../src/diagnosis/identity.js';
import type { Lake } from '../../src/lake/lake.js';
import { probeKey, probePrefix } from '../../src/lake/layout.js';
import s3Errors from '../../src/runbooks/s3-errors.js';
import { look } from '../health/support.js';
import { publishBatch } from '../support/batches.js';
import { type RunbookWorld, runbookWorld } from '../support/runbooks.js';
import { inFourBuckets, openS3Lake } from '../support/s3-lake.js';
import { clientOf } from '../support/s3-probe.js';
import { startMoto } from './moto.js';

const { stop, enforceAccess: _, ...server } = await startMoto();
afterAll(stop);

describe('a lake in S3 that keeps versions', () => {
  let world: RunbookWorld;
  let lake: Lake;
  beforeAll(async () => {
    const address = await inFourBuckets(server);
    const client = clientOf(server);
    for (const layer of ['raw', 'bronze', 'silver', 'gold']) {
      const Bucket = address.pattern.replace('{layer}', layer);
      const VersioningConfiguration = { Status: 'Enabled' } as const;
      await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    }
    lake = await openS3Lake(address);
    const settings = { lake: { kind: 's3' } };
    world = await runbookWorld({ database: false, settings });
    world.services.lake = async () => lake;
    world.services.identity = (signal) =>
      callerIdentity(
        {
          region: server.region,
          endpoint: server.endpoint,
          credentials: { ...server.credentials, sessionToken: undefined },
          profile: undefined,
          timeoutSeconds: 10,
        },
        signal,
      );
    await publishBatch(lake, '20260131_235959', await world.services.scratch());
  });
  afterAll(() => world.dispose());

  const probes = async (): Promise<string[]> => {
    const found: string[] = [];
    for (const place of ['bronze', 'silver', 'gold', 'logs'] as const) {
      for await (const { key } of lake.versions?.list(probePrefix(place)) ?? []) found.push(key);
    }
    return found;
  };
  const examine = (now = new Date()) =>
    look(['lake', 'lake-writable', 'silver', 'gold', 'manifests', 'parquet-schema', 'checksums'], {
      root: world.root,
      settings: { lake: { kind: 's3' } },
      lake: async () => lake,
      now: () => now,
    });

  it('is found healthy, and no version of a probe stays in it', async () => {
    const { report } = await examine();
    expect(report.checks.filter(({ state }) => state !== 'ok')).toMatchObject([
      // The test's batch has the columns it needs, not those the model would.
      { name: 'parquet-schema' },
    ]);
    expect(await probes()).toEqual([]);
  });

  it('loses what an earlier version or a killed check left', async () => {
    const key = probeKey('gold', 'left');
    await lake.put(key, 'left');
    await lake.remove([key]);
    await lake.put(probeKey('silver', 'left'), 'left');
    expect(await probes()).toHaveLength(3);
    await examine();
    expect(await probes()).toHaveLength(3);
    await examine(new Date(Date.now() + 2 * 3_600_000));
    expect(await probes()).toEqual([]);
  });

  it('is examined by s3-errors, which says who we are and leaves nothing behind', async () => {
    const { report } = await world.run(s3Errors);
    expect(report).toMatchObject({ state: 'succeeded', exitCode: 0 });
    const identity = report.steps.find(({ id }) => id === 'identity')?.finding;
    expect(identity).toMatchObject({ state: 'ok', summary: expect.stringContaining('arn:aws') });
    expect(await probes()).toEqual([]);
  });
});
