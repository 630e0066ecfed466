import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CreateBucketCommand, PutObjectRetentionCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PrivacyJournal } from '../../src/privacy/journal.js';
import { cliOn, makePrivacyWorld, type PrivacyWorld } from '../privacy/support.js';
import { lakeOn, openS3Lake } from '../support/s3-lake.js';
import { clientOf, randomName } from '../support/s3-probe.js';
import { makeWorld } from '../support/world.js';
import { startMoto } from './moto.js';

const { stop, enforceAccess: _, ...server } = await startMoto();
const client = clientOf(server);
const bucket = randomName();
const until = new Date(Date.now() + 86_400_000);

let world: PrivacyWorld;
let batchId: string;
beforeAll(async () => {
  await client.send(
    new CreateBucketCommand({
      Bucket: bucket,
      CreateBucketConfiguration: { LocationConstraint: 'eu-west-3' },
      ObjectLockEnabledForBucket: true,
    }),
  );
  const lake = await openS3Lake({ server, lake: lakeOn(server, { bucket, prefix: 'lake' }) });
  const local = await makeWorld({ reviews: 60 });
  const another = async () => ({ ...(await local.another()), lake });
  world = await makePrivacyWorld({ world: { ...local, lake, another } });
  await writeFile(join(world.root, 'reviewops.config.yaml'), 'approvals: { secondPerson: true }\n');
  batchId = await world.batch();
});
afterAll(async () => {
  await world.dispose();
  await stop();
});

/** The built program on the lake in the bucket, as this person. */
const as = (operator: string, args: string[], input?: string) =>
  cliOn(world, [...args, '--json'], {
    ...(input === undefined ? {} : { input }),
    env: {
      REVIEWOPS_OPERATOR: operator,
      REVIEWOPS_LAKE_KIND: 's3',
      REVIEWOPS_LAKE_S3_BUCKET: bucket,
      REVIEWOPS_LAKE_S3_PREFIX: 'lake',
      REVIEWOPS_LAKE_S3_ENCRYPTION: 'none',
      AWS_ENDPOINT_URL: server.endpoint,
      AWS_REGION: server.region,
      AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
    },
  });

const rowsOf = async (customer: string) =>
  (await world.client.query('SELECT FROM amazon.customer WHERE customer_id = $1', [customer]))
    .length;

describe('the built program, on S3 with versions and an object lock', () => {
  it('rule 5: the second person is not the first, and approves the same plan', {
    timeout: 300_000,
  }, async () => {
    const request = await as('ada', ['gdpr', 'request', 'DSR-1'], 'customer: C7\n');
    expect(request.code).toBe(0);
    const planned = await as('ada', ['gdpr', 'plan', 'DSR-1']);
    const { planHash } = planned.json<{ planHash: string }>().result;
    const first = await as('ada', ['gdpr', 'erase', 'DSR-1', '--plan', planHash]);
    expect([first.code, first.json().error]).toMatchObject([3, { code: 'RUN_WAITING' }]);
    expect(await rowsOf('C7')).toBe(1);
    const [resume = ''] =
      /runbook resume (\S+?)(?=[`\s]|$)/.exec(first.json().error.hint ?? '') ?? [];
    const run = resume.split(' ').at(-1) ?? '';
    // Whoever approved once cannot do so again, however the name is written.
    const again = await as(' ADA', ['runbook', 'resume', run, '--plan', planHash]);
    expect(again.code).toBe(3);
    expect(await rowsOf('C7')).toBe(1);
    const second = await as('grace', ['runbook', 'resume', run, '--plan', planHash]);
    expect([second.code, second.json().error]).toEqual([0, undefined]);
    expect(await rowsOf('C7')).toBe(0);
    const verified = await as('ada', ['gdpr', 'verify', 'DSR-1']);
    expect([verified.code, verified.json().result]).toEqual([
      0,
      expect.objectContaining({ verified: true, found: [], unread: [] }),
    ]);
    const certificate = await as('ada', ['gdpr', 'certificate', 'DSR-1']);
    expect(certificate.json().result).toMatchObject({
      state: 'provisional',
      planHash,
      approvals: [{ by: 'ada' }, { by: 'grace' }],
      lake: { filesRewritten: 7 },
      remaining: [],
    });
  });

  it('rule 8: a version that a lock keeps is exit code 4, with its date', {
    timeout: 300_000,
  }, async () => {
    const key = `bronze/batch=${batchId}/customer.parquet`;
    const held: string[] = [];
    for await (const object of world.lake.list(`bronze/batch=${batchId}/customer`)) {
      held.push(object.key);
      await client.send(
        new PutObjectRetentionCommand({
          Bucket: bucket,
          Key: `lake/${object.key}`,
          Retention: { Mode: 'COMPLIANCE', RetainUntilDate: until },
        }),
      );
    }
    expect(held.length, key).toBe(1);
    await as('ada', ['gdpr', 'request', 'DSR-2'], 'customer: C9\n');
    const planned = await as('ada', ['gdpr', 'plan', 'DSR-2']);
    const { planHash } = planned.json<{ planHash: string }>().result;
    const first = await as('ada', ['gdpr', 'erase', 'DSR-2', '--plan', planHash]);
    const [, run = ''] =
      /runbook resume (\S+?)(?=[`\s]|$)/.exec(first.json().error.hint ?? '') ?? [];
    const second = await as('grace', ['runbook', 'resume', run, '--plan', planHash]);
    expect([second.code, second.json().result]).toEqual([
      4,
      expect.objectContaining({ remains: expect.stringContaining('retained until') }),
    ]);
    const certificate = await as('ada', ['gdpr', 'certificate', 'DSR-2']);
    expect(certificate.json().result).toMatchObject({
      state: 'incomplete',
      remaining: [{ place: expect.stringContaining(`${held[0]}@`) }],
    });
  });

  describe('the journal, with its head anchored in a file and in a bucket', () => {
    const path = () => join(world.root, '.reviewops', 'privacy', 'journal.jsonl');
    const places = () => [join(world.root, 'anchors'), `s3://${bucket}/anchors/`];
    let text: string;
    beforeAll(async () => {
      expect((await as('ada', ['gdpr', 'anchor', '--to', places()[0] ?? ''])).code).toBe(0);
      const locked = ['gdpr', 'anchor', '--to', places()[1] ?? '', '--retain-days', '30'];
      expect((await as('ada', locked)).code).toBe(0);
      text = await readFile(path(), 'utf8');
    });

    const lines = () => text.trimEnd().split('\n');
    const joined = (list: readonly (string | undefined)[]) => `${list.join('\n')}\n`;

    it.each([
      ['is whole', () => text, [0, 0, 0], /^$/],
      ['shows an edit', () => text.replace('"suppressing"', '"supressing"'), [1, 1, 1], /edited/],
      ['shows a deletion', () => joined(lines().toSpliced(2, 1)), [1, 1, 1], /removed/],
      [
        'shows another order',
        () => joined([lines()[1], lines()[0], ...lines().slice(2)]),
        [1, 1, 1],
        /moved/,
      ],
      // Only what lies elsewhere tells of these.
      ['shows that it was cut', () => joined(lines().slice(0, 4)), [0, 1, 1], /it was cut/],
      [
        'shows that it was computed anew as a whole',
        async () => {
          const events = lines().map((line) => JSON.parse(line).event);
          await writeFile(path(), '');
          const journal = new PrivacyJournal(join(world.root, '.reviewops'), () => new Date(0));
          for (const event of events) await journal.append(event);
          return readFile(path(), 'utf8');
        },
        [0, 1, 1],
        /written anew/,
      ],
    ] as const)('%s', async (_name, change, codes, problem) => {
      await writeFile(path(), await change());
      const seen: (number | null)[] = [];
      const anchored: string[] = [];
      for (const place of [undefined, ...places()]) {
        const result = await as('ada', [
          'gdpr',
          'verify-journal',
          ...(place === undefined ? [] : ['--anchors', place]),
        ]);
        seen.push(result.code);
        const { problems } = result.json<{ problems: string[] }>().result;
        if (place !== undefined) anchored.push(problems.join(' '));
      }
      expect(seen).toEqual(codes);
      for (const said of anchored) expect(said).toMatch(problem);
      await writeFile(path(), text);
    });
  });
});
