import { PutBucketVersioningCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Manifest } from '../../src/lake/manifest.js';
import { lakeContract } from '../lake/contract.js';
import { runCli } from '../support/cli.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { inFourBuckets, inOneBucket, openS3Lake, type S3Address } from '../support/s3-lake.js';
import { clientOf, probe } from '../support/s3-probe.js';
import { sandbox } from '../support/sandbox.js';
import { insertReviews } from '../support/world.js';
import { runPeer, startMoto } from './moto.js';

// Asked before the tests are collected: what the server lacks decides which are skipped.
const moto = await startMoto();
const { stop, enforceAccess: _, ...server } = moto;
const lacks = await probe(server);
// The probe meets them only now and then: moto looks and writes in two steps, on several threads.
lacks.atomicCreate ??= 'two who create the same object at once may both succeed';
lacks.atomicReplace ??= 'two who replace the same version at once may both succeed';

afterAll(stop);

const underTest = async (address: S3Address) => ({
  lake: await openS3Lake(address),
  address: ['s3', JSON.stringify(address)],
  dispose: () => Promise.resolve(),
});

test('moto honours what the lake stands on', () => {
  // Whatever else it lacks is named in the titles of the tests that are skipped.
  const needed = [
    'conditionalCreate',
    'conditionalReplace',
    'conditionalDelete',
    'conditionalComplete',
    'multipart',
    'versioning',
    'byteOrder',
  ] as const;
  expect(needed.filter((ability) => lacks[ability] !== undefined)).toEqual([]);
});

lakeContract('S3, one bucket (moto)', async () => underTest(await inOneBucket(server)), lacks);

lakeContract(
  'S3, a versioned bucket for each layer (moto)',
  async () => {
    const address = await inFourBuckets(server);
    for (const layer of ['raw', 'bronze', 'silver', 'gold']) {
      await clientOf(server).send(
        new PutBucketVersioningCommand({
          Bucket: address.pattern.replace('{layer}', layer),
          VersioningConfiguration: { Status: 'Enabled' },
        }),
      );
    }
    return underTest(address);
  },
  lacks,
);

interface FoundLayer {
  manifest: Manifest;
  sha256: string;
  files: { key: string; bytes: number; sha256: string; rows: number; columns: string[] }[];
}

describe('a batch on S3, read by others', () => {
  const batchId = '20260102_030405';
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
    await insertReviews(await database.client(), 3000);
  });
  afterAll(() => database?.drop());

  test('boto3 and pyarrow find what the manifests say', async () => {
    const { pattern } = await inFourBuckets(server);
    const cwd = await sandbox();
    const aws = {
      AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
    };
    const env = {
      ...aws,
      NEON_DB_URL: database.target.url,
      REVIEWOPS_LAKE_KIND: 's3',
      REVIEWOPS_LAKE_S3_BUCKET: pattern,
      AWS_ENDPOINT_URL: server.endpoint,
    };
    const run = await runCli(['pipeline', 'run', '--batch-id', batchId, '--json'], { cwd, env });
    expect(run.json().error).toBeUndefined();
    const verified = await runCli(['batch', 'verify', batchId, '--json'], { cwd, env });
    expect(verified.code).toBe(0);
    const args = [server.endpoint, server.region, pattern, batchId];
    const found = await runPeer<Record<string, FoundLayer>>('read_s3_lake.py', args, aws);
    for (const { manifest, files } of Object.values(found)) {
      const named = manifest.tables.flatMap(({ columns, files: own }) =>
        own.map(({ key, bytes, sha256, rows }) => ({
          key,
          bytes,
          sha256,
          rows,
          columns: columns.map(({ name }) => name),
        })),
      );
      expect(files).toEqual(named);
    }
    expect(found.gold?.manifest.parents).toEqual([
      { key: `silver/batch=${batchId}/manifest.json`, sha256: found.silver?.sha256 },
    ]);
    expect(found.bronze?.files.find(({ key }) => key.endsWith('/review.parquet'))?.rows).toBe(3000);
  });
});
