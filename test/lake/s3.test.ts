import { afterAll } from 'vitest';
import { inFourBuckets, openS3Lake, type S3Address } from '../support/s3-lake.js';
import { probe } from '../support/s3-probe.js';
import { startProxy } from '../support/s3-proxy.js';
import { startS3 } from '../support/s3-server.js';
import { lakeContract } from './contract.js';

// Asked before the tests are collected: what a server lacks decides which are skipped.
const { stop, ...server } = await startS3();
const gate = await startProxy(server.endpoint, { conditions: true });
const gated = { ...server, endpoint: gate.endpoint };
const lacks = await probe(gated);

afterAll(async () => {
  await gate.stop();
  await stop();
});

const underTest = async (address: S3Address) => ({
  lake: await openS3Lake(address),
  address: ['s3', JSON.stringify(address)],
  dispose: () => Promise.resolve(),
});

lakeContract(
  `S3, a bucket for each layer (${server.name} behind a proxy that keeps conditions)`,
  async () => underTest(await inFourBuckets(gated)),
  lacks,
);
