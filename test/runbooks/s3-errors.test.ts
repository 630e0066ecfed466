import { once } from 'node:events';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { callerIdentity } from '../../src/diagnosis/identity.js';
import type { Lake } from '../../src/lake/lake.js';
import type { Ask } from '../../src/runbooks/engine/answers.js';
import type { RunbookServices } from '../../src/runbooks/engine/definition.js';
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

    const examine = (lake: Lake, identity?: RunbookServices['identity'], ask: Ask = nobody) => {
      const config = configSchema.parse({ lake: { kind: 's3' } });
      const services = {
        ...world.services,
        config,
        lake: async () => lake,
        ...(identity === undefined ? {} : { identity }),
      };
      return world.repair(s3Errors, {}, { services, ask });
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

    const as = (keys: Partial<RunningServer['credentials']>, endpoint = server.endpoint) => {
      const credentials = { ...server.credentials, sessionToken: undefined, ...keys };
      const settings = { region: server.region, profile: undefined, timeoutSeconds: 5 };
      return (signal: AbortSignal) =>
        callerIdentity({ ...settings, endpoint, credentials }, signal);
    };

    it('asks STS who we are, and leaves it unknown where nobody answers', async () => {
      const lake = await openS3Lake(await inOneBucket(server));
      const known = await examine(lake, as({}));
      expect(finding(known, 'identity')).toMatchObject({
        state: 'ok',
        summary: expect.stringMatching(/^We are arn:aws:/),
        evidence: { account: expect.stringMatching(/^\d{12}$/) },
      });
      const alone = await examine(lake, as({}, 'http://127.0.0.1:9'));
      expect(finding(alone, 'identity')).toMatchObject({
        state: 'unknown',
        evidence: { error: 'IDENTITY_UNKNOWN' },
      });
      expect(alone).toMatchObject({ state: 'succeeded', exitCode: 0 });
    });

    it.each([
      ['InvalidClientTokenId', 403, 'LAKE_CREDENTIALS_INVALID', 'Put a valid key'],
      ['ExpiredToken', 403, 'LAKE_CREDENTIALS_EXPIRED', 'Renew the credential'],
    ])('names a credential that STS answers with %s', async (name, status, error, cure) => {
      const sts = createServer((_request, response) => {
        response.writeHead(status, { 'content-type': 'text/xml' });
        response.end(
          `<ErrorResponse><Error><Type>Sender</Type><Code>${name}</Code><Message>no</Message></Error></ErrorResponse>`,
        );
      });
      sts.listen(0, '127.0.0.1');
      await once(sts, 'listening');
      const { port } = sts.address() as AddressInfo;
      try {
        const lake = await openS3Lake(await inOneBucket(server));
        const said: string[] = [];
        const report = await examine(lake, as({}, `http://127.0.0.1:${port}`), async (question) => {
          if (question.type === 'manual') said.push(question.instruction);
          return { type: 'later' };
        });
        expect(finding(report, 'identity')).toMatchObject({
          state: 'critical',
          evidence: { error },
        });
        expect(report.state).toBe('waiting');
        expect(said.join()).toContain(cure);
        expect(JSON.stringify(report)).not.toContain(server.credentials.secretAccessKey);
      } finally {
        sts.close();
      }
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
