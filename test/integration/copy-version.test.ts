import { createHash, randomBytes } from 'node:crypto';
import {
  GetObjectCommand,
  ListMultipartUploadsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bucket } from '../../src/lake/s3/bucket.js';
import { S3Connection } from '../../src/lake/s3/connection.js';
import { copyVersion } from '../../src/lake/s3/copy.js';
import { clientOf, makeBucket } from '../support/s3-probe.js';
import { startMoto } from './moto.js';

const MiB = 1024 ** 2;
/** S3 takes no smaller part, but for the last. */
const sizes = { whole: 6 * MiB, part: 5 * MiB };
const objectKey = 'bronze/batch=20260131_235959/a name+with %25 signs.parquet';

const { stop, enforceAccess: _, ...server } = await startMoto();
const client = clientOf(server);
afterAll(stop);

let bucket: Bucket;
beforeAll(async () => {
  const name = await makeBucket(server);
  await client.send(
    new PutBucketVersioningCommand({
      Bucket: name,
      VersioningConfiguration: { Status: 'Enabled' },
    }),
  );
  const { endpoint, region, credentials } = server;
  const settings = {
    endpoint,
    region,
    pathStyle: true,
    encryption: 's3' as const,
    kmsKeyId: undefined,
    maxAttempts: 2,
    timeoutSeconds: 10,
    partSize: 5 * MiB,
    parallelism: 3,
    credentials: { ...credentials, sessionToken: undefined },
    profile: undefined,
  };
  bucket = new Bucket(name, new S3Connection(settings, new AbortController().signal));
});

const put = async (Body: Buffer): Promise<string> => {
  const sent = new PutObjectCommand({ Bucket: bucket.name, Key: objectKey, Body });
  return (await client.send(sent)).VersionId ?? '';
};
const present = async () => {
  const read = new GetObjectCommand({ Bucket: bucket.name, Key: objectKey });
  return client.send(read);
};
const unfinished = async () =>
  (await client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name }))).Uploads ?? [];
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

it.each([
  ['in one request', 6 * MiB, 0],
  ['in parts, the last one short', 12 * MiB + 7, 3],
  ['in parts that fill it', 10 * MiB, 2],
])('brings a version back %s', async (_name, bytes, parts) => {
  const old = randomBytes(bytes);
  const versionId = await put(old);
  await put(Buffer.from('newer'));
  await copyVersion(bucket, { objectKey, versionId, bytes }, sizes);
  const { Body, ETag, ServerSideEncryption } = await present();
  expect(hash((await Body?.transformToByteArray()) ?? new Uint8Array())).toBe(hash(old));
  // How many parts an object was made of stands behind the hyphen.
  expect(ETag?.split('-')[1] ?? '0"').toBe(`${parts}"`);
  expect(ServerSideEncryption).toBe('AES256');
  expect(await unfinished()).toEqual([]);
});

it('leaves the present object and no unfinished upload when the version is gone', async () => {
  await put(Buffer.from('present'));
  const gone = { objectKey, versionId: '00000000-0000-4000-8000-000000000000', bytes: 12 * MiB };
  await expect(copyVersion(bucket, gone, sizes)).rejects.toThrow();
  expect(await (await present()).Body?.transformToString()).toBe('present');
  expect(await unfinished()).toEqual([]);
});
