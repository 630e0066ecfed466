import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  PutBucketVersioningCommand,
  PutObjectRetentionCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, describe, expect, it } from 'vitest';
import type { Lake } from '../../src/lake/lake.js';
import { readCertificate } from '../../src/privacy/certificate.js';
import { makePrivacyWorld, type PrivacyWorld } from '../privacy/support.js';
import { lakeOn, openS3Lake } from '../support/s3-lake.js';
import { clientOf, randomName } from '../support/s3-probe.js';
import { makeWorld } from '../support/world.js';
import { startMoto } from './moto.js';

const { stop, enforceAccess: _, ...server } = await startMoto();
const client = clientOf(server);
afterAll(stop);

interface S3World {
  world: PrivacyWorld;
  bucket: string;
  lake: Lake;
  keepVersions(): Promise<void>;
}

/** A world whose lake lies in one bucket. */
async function s3World(lock = false): Promise<S3World> {
  const bucket = randomName();
  await client.send(
    new CreateBucketCommand({
      Bucket: bucket,
      CreateBucketConfiguration: { LocationConstraint: 'eu-west-3' },
      ...(lock ? { ObjectLockEnabledForBucket: true } : {}),
    }),
  );
  const lake = await openS3Lake({ server, lake: lakeOn(server, { bucket, prefix: '' }) });
  const local = await makeWorld({ reviews: 60 });
  const another = async () => ({ ...(await local.another()), lake });
  const world = await makePrivacyWorld({ world: { ...local, lake, another } });
  const keepVersions = async () => {
    await client.send(
      new PutBucketVersioningCommand({
        Bucket: bucket,
        VersioningConfiguration: { Status: 'Enabled' },
      }),
    );
  };
  return { world, bucket, lake, keepVersions };
}

const versionsOf = async (lake: Lake, key: string) => {
  const found = [];
  for await (const version of lake.versions?.list(key) ?? []) found.push(version);
  return found;
};

describe('rule 8, on S3', () => {
  it('without versions: the files are rewritten, nothing else', async () => {
    const { world } = await s3World();
    try {
      await world.batch();
      await world.request('DSR-1', { customer: ['C7'] });
      const { report } = await world.erase({ requestIds: ['DSR-1'] });
      expect(report).toMatchObject({ reason: null, state: 'succeeded' });
    } finally {
      await world.dispose();
    }
  });

  it('with versions: purges what held the person, the null version and those behind delete markers included', async () => {
    const { world, bucket, lake, keepVersions } = await s3World();
    try {
      const first = await world.batch();
      await keepVersions();
      // Deleted: its null version stays behind a marker.
      const key = `bronze/batch=${first}/review.parquet`;
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
      const second = await world.batch();
      const untouched = `bronze/batch=${second}/product.parquet`;
      const before = await versionsOf(lake, untouched);
      await world.request('DSR-1', { customer: ['C7'] });
      const { report } = await world.erase({ requestIds: ['DSR-1'] });
      expect(report).toMatchObject({ state: 'succeeded' });
      const left = await versionsOf(lake, key);
      expect(left.map(({ deleted }) => deleted)).toEqual([true]);
      expect(await versionsOf(lake, untouched)).toEqual(before);
      const certificate = await readCertificate(lake, 'DSR-1');
      expect(certificate.lake.versionsPurged).toBeGreaterThan(7);
      expect(certificate.remaining).toEqual([]);
    } finally {
      await world.dispose();
    }
  });

  it('rule 3: unfinished uploads, which nobody can read, are called off', async () => {
    const { world, bucket } = await s3World();
    try {
      const Key = 'raw/half.csv';
      const { UploadId } = await client.send(
        new CreateMultipartUploadCommand({ Bucket: bucket, Key }),
      );
      await client.send(
        new UploadPartCommand({ Bucket: bucket, Key, UploadId, PartNumber: 1, Body: 'C7,half' }),
      );
      await world.request('DSR-1', { customer: ['C7'] });
      const { report } = await world.erase({ requestIds: ['DSR-1'] });
      expect(report).toMatchObject({ state: 'succeeded' });
      expect(report.plan?.targets).toContainEqual(
        expect.objectContaining({ type: 'upload', name: Key }),
      );
      const { Uploads = [] } = await client.send(
        new ListMultipartUploadsCommand({ Bucket: bucket }),
      );
      expect(Uploads).toEqual([]);
    } finally {
      await world.dispose();
    }
  });

  it('an object lock is no success: the version is named with its date', async () => {
    const { world, bucket, lake } = await s3World(true);
    try {
      const batchId = await world.batch();
      const key = `bronze/batch=${batchId}/customer.parquet`;
      const until = new Date(Date.now() + 86_400_000);
      await client.send(
        new PutObjectRetentionCommand({
          Bucket: bucket,
          Key: key,
          Retention: { Mode: 'COMPLIANCE', RetainUntilDate: until },
        }),
      );
      await world.request('DSR-1', { customer: ['C7'] });
      const { report } = await world.erase({ requestIds: ['DSR-1'] });
      expect(report).toMatchObject({ state: 'succeeded' });
      const certificate = await readCertificate(lake, 'DSR-1');
      expect(certificate.state).toBe('incomplete');
      expect(certificate.remaining).toEqual([
        expect.objectContaining({
          place: expect.stringContaining(`${key}@`),
          why: expect.stringContaining(`retained until ${until.toISOString().slice(0, 16)}`),
        }),
      ]);
    } finally {
      await world.dispose();
    }
  });
});
