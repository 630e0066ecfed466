import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutBucketVersioningCommand } from '@aws-sdk/client-s3';
import { afterAll, expect, it } from 'vitest';
import { isDamage } from '../../src/lake/batch-state.js';
import { showBatch } from '../../src/lake/batches.js';
import { manifestKey } from '../../src/lake/layout.js';
import { publishLayer } from '../../src/lake/publish.js';
import { planRestore, restoreBatch } from '../../src/lake/restore.js';
import { draftOf, makeFiles } from '../support/drafts.js';
import { inOneBucket, openS3Lake } from '../support/s3-lake.js';
import { clientOf } from '../support/s3-probe.js';
import { startMoto } from './moto.js';

const { stop, enforceAccess: _, ...server } = await startMoto();
const scratch = await mkdtemp(join(tmpdir(), 'reviewops-restore-'));
afterAll(async () => {
  await stop();
  await rm(scratch, { recursive: true, force: true });
});

const batchId = '20260131_235959';
const job = {
  report: () => undefined,
  signal: new AbortController().signal,
  now: () => new Date(),
};

const anything = async (): Promise<void> => undefined;

it('a restore does not bring back a manifest whose files were replaced since the plan', async () => {
  const address = await inOneBucket(server);
  await clientOf(server).send(
    new PutBucketVersioningCommand({
      Bucket: address.bucket,
      VersioningConfiguration: { Status: 'Enabled' },
    }),
  );
  const lake = await openS3Lake(address);
  const draft = (letter: string) =>
    makeFiles(draftOf({ batchId, layer: 'silver', scratch, letter }), letter);
  await publishLayer(lake, draft('a'));
  await lake.put(manifestKey('silver', batchId), 'damaged');
  const request = { batchId, layers: ['silver'] as const, at: undefined };
  const plan = await planRestore(lake, request);
  expect(plan.layers[0]?.objects).toHaveLength(1);

  await publishLayer(lake, draft('b'));
  await expect(restoreBatch(lake, request, plan, job, anything)).rejects.toMatchObject({
    code: 'PLAN_CHANGED',
    exitCode: 3,
  });
  const batch = await showBatch(lake, batchId, job);
  expect(batch.manifests[0]?.settings).toEqual({ letter: 'b' });
  expect(batch.problems.filter(isDamage)).toEqual([]);

  await lake.put(manifestKey('silver', batchId), 'damaged again');
  await restoreBatch(lake, request, await planRestore(lake, request), job, anything);
  expect((await showBatch(lake, batchId, job)).problems.filter(isDamage)).toEqual([]);
});
