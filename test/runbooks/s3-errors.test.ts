import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import type { Lake } from '../../src/lake/lake.js';
import s3Errors from '../../src/runbooks/s3-errors.js';
import { type BrokenWorld, makeBrokenWorld } from '../support/repairs.js';
import { nobody } from '../support/runbooks.js';
import { inFourBuckets, inOneBucket, openS3Lake } from '../support/s3-lake.js';
import { type RunningServer, startS3 } from '../support/s3-server.js';

describe('s3-errors', () => {
  let world: BrokenWorld;
  beforeAll(async () => {
    world = await makeBrokenWorld({ reviews: 1 });
  });
  afterAll(() => world.dispose());

  const finding = (report: Awaited<ReturnType<BrokenWorld['repair']>>, id: string) =>
    report.steps.find((step) => step.id === id)?.finding;

  describe('with a local lake', () => {
    it('finds nothing, and leaves nothing behind', async () => {
      const report = await world.repair(s3Errors);
      expect(report).toMatchObject({ state: 'succeeded', branch: null });
      expect(finding(report, 'write')?.state).toBe('ok');
      const left: string[] = [];
      for await (const { key } of world.lake.list('')) left.push(key);
      expect(left).toEqual([]);
    });

    it('names what is in the way, waits for a person, and proves the cure', async () => {
      const gold = join(world.root, 'data', 'gold');
      await rm(gold, { recursive: true, force: true });
      await mkdir(join(world.root, 'data'), { recursive: true });
      await writeFile(gold, 'somebody put a file here');
      const waiting = await world.repair(s3Errors, {}, { ask: nobody });
      expect(waiting).toMatchObject({ state: 'waiting', exitCode: 3 });
      const still = await world.repair(s3Errors);
      expect(still).toMatchObject({ state: 'failed', exitCode: 1 });
      const report = await world.repair(
        s3Errors,
        {},
        {
          ask: async (question) => {
            expect(question).toMatchObject({
              type: 'manual',
              instruction: expect.stringContaining('gold'),
            });
            await rename(gold, `${gold}-file`);
            return { type: 'done', by: 'ada', said: 'moved' };
          },
        },
      );
      // A diagnosis that found something and changed nothing itself ends with 1.
      expect(report).toMatchObject({ state: 'succeeded', exitCode: 1 });
      expect(finding(report, 'prove')?.state).toBe('ok');
    });
  });

  describe('with a lake in S3', () => {
    let server: RunningServer;
    beforeAll(async () => {
      server = await startS3();
    });
    afterAll(() => server.stop());

    const examine = (lake: Lake) => {
      const config = configSchema.parse({ lake: { kind: 's3' } });
      const services = { ...world.services, config, lake: async () => lake };
      return world.repair(s3Errors, {}, { services, ask: nobody });
    };

    it('finds nothing when all buckets answer', async () => {
      const report = await examine(await openS3Lake(await inFourBuckets(server)));
      expect(report).toMatchObject({ state: 'succeeded', exitCode: 0 });
      expect(report.steps.find(({ id }) => id === 'space')?.state).toBe('skipped');
    });

    it('names a bucket that is not there, and what to check', async () => {
      const address = await inOneBucket(server, { bucket: 'nobody-made-this-one' });
      const report = await examine(await openS3Lake(address));
      expect(finding(report, 'read')).toMatchObject({
        state: 'critical',
        summary: expect.stringContaining('nobody-made-this-one'),
        evidence: { error: 'BUCKET_NOT_FOUND' },
      });
      expect(report).toMatchObject({ state: 'waiting', exitCode: 3 });
    });

    it('tells a store that does not answer from one that refuses', async () => {
      const address = await inOneBucket(server, {
        endpoint: 'http://127.0.0.1:9',
        maxAttempts: 1,
      });
      const report = await examine(await openS3Lake(address));
      expect(finding(report, 'read')?.evidence?.error).toBe('LAKE_UNREACHABLE');
      expect(report.steps.find(({ id }) => id === 'write')?.state).toBe('skipped');
    });
  });
});
