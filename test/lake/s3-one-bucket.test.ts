import { afterAll } from 'vitest';
import { inOneBucket, openS3Lake } from '../support/s3-lake.js';
import { probe } from '../support/s3-probe.js';
import { startS3 } from '../support/s3-server.js';
import { lakeContract } from './contract.js';

// Asked before the tests are collected: what a server lacks decides which are skipped.
const { stop, ...server } = await startS3();
const lacks = await probe(server);
afterAll(stop);

lakeContract(
  `S3, one bucket (${server.name})`,
  async () => {
    const address = await inOneBucket(server);
    return {
      lake: await openS3Lake(address),
      address: ['s3', JSON.stringify(address)],
      dispose: () => Promise.resolve(),
    };
  },
  lacks,
);
