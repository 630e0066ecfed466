import {
  CreateBucketCommand,
  PutBucketVersioningCommand,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3';
import { afterAll, describe, expect, it } from 'vitest';
import { planRestore, restoreBatch } from '../../src/lake/restore.js';
import { readCertificate } from '../../src/privacy/certificate.js';
import { requireNobodyReturns } from '../../src/privacy/restore-guard.js';
import { makePrivacyWorld } from '../privacy/support.js';
import { lakeOn, openS3Lake } from '../support/s3-lake.js';
import { clientOf, randomName } from '../support/s3-probe.js';
import { makeWorld } from '../support/world.js';
import { startMoto } from './moto.js';

const { stop, enforceAccess: _, ...server } = await startMoto();
const client = clientOf(server);
afterAll(stop);

describe('rule 11: restoring a batch from old versions', () => {
  it('brings back nobody who was erased, where a lock kept a version of them', async () => {
    const bucket = randomName();
    await client.send(
      new CreateBucketCommand({
        Bucket: bucket,
        CreateBucketConfiguration: { LocationConstraint: 'eu-west-3' },
        ObjectLockEnabledForBucket: true,
      }),
    );
    await client.send(
      new PutBucketVersioningCommand({
        Bucket: bucket,
        VersioningConfiguration: { Status: 'Enabled' },
      }),
    );
    const lake = await openS3Lake({ server, lake: lakeOn(server, { bucket, prefix: '' }) });
    const local = await makeWorld({ reviews: 40 });
    const another = async () => ({ ...(await local.another()), lake });
    const world = await makePrivacyWorld({ world: { ...local, lake, another } });
    try {
      const batchId = await world.batch();
      const before = new Date();
      const Retention = {
        Mode: 'COMPLIANCE' as const,
        RetainUntilDate: new Date(Date.now() + 86_400_000),
      };
      for await (const { key, deleted } of lake.versions?.list('') ?? []) {
        if (deleted || !key.endsWith('.parquet')) continue;
        await client.send(new PutObjectRetentionCommand({ Bucket: bucket, Key: key, Retention }));
      }
      await world.request('DSR-1', { customer: ['C7'] });
      const { report } = await world.erase({ requestIds: ['DSR-1'] });
      expect([report.state, report.reason]).toEqual(['succeeded', null]);
      expect((await readCertificate(lake, 'DSR-1')).state).toBe('incomplete');

      const { environment, services, database, root } = world;
      const job = { ...environment.job, signal: new AbortController().signal };
      const restore = async (layer: 'bronze' | 'silver' | 'gold', at: Date | undefined) => {
        const request = { batchId, layers: [layer], at };
        const plan = await planRestore(lake, request);
        await restoreBatch(lake, request, plan, job, (present) =>
          requireNobodyReturns(
            {
              lake,
              config: services.config,
              scratch: root,
              signal: job.signal,
              pseudonymKey: async () => environment.pseudonymKey,
              database: async () => database.target,
            },
            present,
          ),
        );
        return plan.layers[0]?.state;
      };
      const manifests = async () =>
        Promise.all(
          ['bronze', 'silver', 'gold'].map(async (layer) =>
            (await lake.read(`${layer}/batch=${batchId}/manifest.json`)).toString('utf8'),
          ),
        );
      const erased = await manifests();
      for (const layer of ['bronze', 'silver', 'gold'] as const) {
        await expect([layer, restore(layer, before)][1]).rejects.toMatchObject({
          code: 'RESTORE_RETURNS_ERASED',
          exitCode: 3,
          message: expect.stringContaining(`${layer} of batch ${batchId}`),
        });
      }
      expect(await manifests()).toEqual(erased);

      // What was written by the erasure comes back: nobody erased is in it.
      await lake.remove([`gold/batch=${batchId}/manifest.json`]);
      expect(await restore('gold', undefined)).toBe('restorable');
      expect(await manifests()).toEqual(erased);
    } finally {
      await world.dispose();
    }
  });
});
