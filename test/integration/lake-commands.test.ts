import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketPolicyCommand,
  GetPublicAccessBlockCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import type { AuditCheck } from '../../src/lake/audit.js';
import { s3Settings } from '../../src/lake/open.js';
import type { PolicyDocument } from '../../src/lake/policy.js';
import type { ProvisionPlan } from '../../src/lake/provision.js';
import type { RestorePlan } from '../../src/lake/restore.js';
import type { WantedBucket } from '../../src/lake/s3/aspect.js';
import { aspects } from '../../src/lake/s3/aspects.js';
import { Bucket } from '../../src/lake/s3/bucket.js';
import { S3Connection } from '../../src/lake/s3/connection.js';
import type { LakeUsage } from '../../src/lake/usage.js';
import { publishBatch } from '../support/batches.js';
import { runCli, startCli } from '../support/cli.js';
import { lakeOn, openS3Lake } from '../support/s3-lake.js';
import { clientOf, randomName } from '../support/s3-probe.js';
import { startProxy } from '../support/s3-proxy.js';
import { sandbox } from '../support/sandbox.js';
import { type Moto, runPeer, startMoto } from './moto.js';

const layers = ['raw', 'bronze', 'silver', 'gold'];

describe('the lake’s commands against moto', () => {
  let moto: Moto;
  beforeAll(async () => {
    moto = await startMoto();
  });
  afterAll(() => moto.stop());

  const project = async (more: Record<string, string> = {}) => {
    const name = randomName();
    const cwd = await sandbox();
    const env = {
      REVIEWOPS_LAKE_KIND: 's3',
      REVIEWOPS_LAKE_S3_BUCKET: `${name}-{layer}`,
      AWS_ENDPOINT_URL: moto.endpoint,
      AWS_ACCESS_KEY_ID: moto.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: moto.credentials.secretAccessKey,
      ...more,
    };
    const run = (...args: string[]) => runCli([...args, '--json'], { cwd, env });
    const lake = await openS3Lake({
      server: moto,
      lake: lakeOn(moto, { bucket: `${name}-{layer}` }),
    });
    return { name, cwd, env, run, lake, client: clientOf(moto) };
  };
  type Init = ProvisionPlan & { applied: boolean; conditionalWrites: boolean | null };

  test('lake init shows its plan, makes what is missing, and changes nothing twice', async () => {
    const { name, run, client } = await project({ REVIEWOPS_LAKE_S3_ARCHIVE_AFTER_DAYS: '30' });
    const found = (await run('lake', 'audit')).json<{ findings: AuditCheck[] }>();
    expect(found.status).toBe(1);
    expect(found.result.findings.map(({ check }) => check)).toEqual(layers.map(() => 'bucket'));

    const planned = (await run('lake', 'init', '--dry-run')).json<Init>().result;
    expect(planned.applied).toBe(false);
    expect(planned.buckets.map(({ bucket }) => bucket)).toEqual(
      layers.map((layer) => `${name}-${layer}`),
    );
    expect(planned.buckets[0]?.actions.map((action) => action.name)).toEqual([
      'bucket',
      'public-access',
      'encryption',
      'versioning',
      'lifecycle',
    ]);
    const refused = await run('lake', 'init');
    expect([refused.code, refused.json().error.code]).toEqual([3, 'CONFIRMATION_REQUIRED']);
    expect((await run('lake', 'init', '--dry-run')).json<Init>().result).toEqual(planned);

    const made = await run('lake', 'init', '--yes');
    expect(made.json<Init>().result).toMatchObject({ applied: true, conditionalWrites: true });
    const again = (await run('lake', 'init', '--yes')).json<Init>().result;
    expect([again.applied, again.buckets.flatMap(({ actions }) => actions)]).toEqual([false, []]);
    const audit = (await run('lake', 'audit')).json<{ findings: AuditCheck[] }>();
    // moto is reached without TLS: a policy that demands it would lock everybody out.
    expect(audit.result.findings.map(({ check }) => check)).toEqual(layers.map(() => 'tls-only'));
    expect(audit.result.findings[0]?.fix).toContain('https');

    const Bucket = `${name}-gold`;
    const { Rules } = await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
    expect(Rules?.[0]?.AbortIncompleteMultipartUpload?.DaysAfterInitiation).toBe(7);
    expect(Rules?.[1]).toMatchObject({
      Filter: { And: { Prefix: 'batch=' } },
      Transitions: [{ Days: 30, StorageClass: 'GLACIER_IR' }],
    });
    const block = await client.send(new GetPublicAccessBlockCommand({ Bucket }));
    expect(Object.values(block.PublicAccessBlockConfiguration ?? {})).toEqual([
      true,
      true,
      true,
      true,
    ]);
  });

  test('lake init changes only what differs, and leaves what others set', async () => {
    const { name, run, client } = await project();
    const Bucket = `${name}-gold`;
    await client.send(
      new CreateBucketCommand({
        Bucket,
        CreateBucketConfiguration: { LocationConstraint: 'eu-west-3' },
      }),
    );
    const theirs = {
      Sid: 'Theirs',
      Effect: 'Allow',
      Principal: { AWS: 'arn:aws:iam::123456789012:root' },
      Action: 's3:GetObject',
      Resource: `arn:aws:s3:::${Bucket}/*`,
    };
    await client.send(
      new PutBucketPolicyCommand({
        Bucket,
        Policy: JSON.stringify({ Version: '2012-10-17', Statement: [theirs] }),
      }),
    );
    await client.send(
      new PutBucketLifecycleConfigurationCommand({
        Bucket,
        LifecycleConfiguration: {
          Rules: [
            {
              ID: 'theirs',
              Status: 'Enabled',
              Filter: { Prefix: 'tmp/' },
              Expiration: { Days: 3 },
            },
          ],
        },
      }),
    );
    await client.send(
      new PutBucketVersioningCommand({
        Bucket,
        VersioningConfiguration: { Status: 'Enabled' },
      }),
    );
    const plan = (await run('lake', 'init', '--dry-run')).json<Init>().result;
    const actions = plan.buckets.find(({ bucket }) => bucket === Bucket)?.actions;
    expect(actions?.map((action) => action.name)).not.toContain('versioning');
    expect(actions?.map((action) => action.name)).not.toContain('bucket');
    expect((await run('lake', 'init', '--yes')).code).toBe(0);
    const { Policy } = await client.send(new GetBucketPolicyCommand({ Bucket }));
    expect(JSON.parse(Policy ?? '').Statement).toEqual([theirs]);
    const { Rules } = await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
    expect(Rules?.map(({ ID }) => ID)).toEqual(['theirs', 'reviewops-abort-uploads']);

    await client.send(
      new PutPublicAccessBlockCommand({
        Bucket,
        PublicAccessBlockConfiguration: { BlockPublicAcls: true },
      }),
    );
    const audit = (await run('lake', 'audit')).json<{ findings: AuditCheck[] }>();
    const findings = audit.result.findings.filter(({ check }) => check !== 'tls-only');
    expect([audit.status, findings]).toEqual([
      1,
      [
        {
          bucket: Bucket,
          check: 'public-access',
          state: 'finding',
          problem: expect.stringContaining('BlockPublicPolicy'),
          fix: expect.stringContaining('lake init'),
        },
      ],
    ]);
    const repair = (await run('lake', 'init', '--yes')).json<Init>().result;
    expect(repair.buckets.flatMap((entry) => entry.actions.map((action) => action.name))).toEqual([
      'public-access',
    ]);
  });

  test('the policy against requests without TLS keeps those of others, and works', async () => {
    const { name, run } = await project();
    expect((await run('lake', 'init', '--yes')).code).toBe(0);
    const settings = s3Settings(configSchema.parse({}).lake, {
      credentials: { ...moto.credentials, sessionToken: undefined },
      profile: undefined,
      region: moto.region,
      endpoint: moto.endpoint,
    });
    const connection = new S3Connection(settings, new AbortController().signal);
    const bucket = new Bucket(`${name}-raw`, connection);
    const aspect = aspects.find((candidate) => candidate.name === 'tls-only');
    const wanted = { encryption: 's3', plainHttp: false } as WantedBucket;
    expect(await aspect?.problem(bucket, wanted)).toBe('requests without TLS are not refused');
    const { client } = await connection.open();
    const theirs = { Sid: 'Theirs', Effect: 'Allow', Principal: '*', Action: 's3:GetObject' };
    const Statement = [{ ...theirs, Resource: `arn:aws:s3:::${name}-raw/public/*` }];
    await client.send(
      new PutBucketPolicyCommand({
        Bucket: `${name}-raw`,
        Policy: JSON.stringify({ Version: '2012-10-17', Statement }),
      }),
    );
    await aspect?.apply(bucket, wanted);
    await aspect?.apply(bucket, wanted);
    const { Policy } = await client.send(new GetBucketPolicyCommand({ Bucket: `${name}-raw` }));
    expect(JSON.parse(Policy ?? '').Statement).toEqual([
      ...Statement,
      expect.objectContaining({ Effect: 'Deny', Sid: 'reviewopsTlsOnly' }),
    ]);
    expect(await aspect?.problem(bucket, wanted)).toBeUndefined();
  });

  test('batch restore brings back what was deleted, overwritten or damaged', async () => {
    const { name, cwd, run, lake, client } = await project();
    expect((await run('lake', 'init', '--yes')).code).toBe(0);
    const id = '20260131_235959';
    await publishBatch(lake, id, join(cwd, 'scratch'));
    const whole = await run('batch', 'verify', id);
    expect(whole.code).toBe(0);
    type Restore = RestorePlan & { restored: number; state: string };
    const nothing = (await run('batch', 'restore', id, '--yes')).json<Restore>().result;
    expect([nothing.restored, nothing.state]).toEqual([0, 'complete']);

    // Deleted as a whole, by somebody else's hand.
    const keys: string[] = [];
    for (const layer of layers)
      for await (const { key } of lake.list(`${layer}/batch=${id}/`)) keys.push(key);
    await lake.remove(keys);
    expect((await run('batch', 'show', id)).code).toBe(2);
    const plan = (await run('batch', 'restore', id, '--dry-run')).json<Restore>().result;
    expect(plan.layers.map(({ layer, state }) => [layer, state])).toEqual([
      ['raw', 'absent'],
      ['bronze', 'restorable'],
      ['silver', 'restorable'],
      ['gold', 'restorable'],
    ]);
    for (const { objects, layer, state } of plan.layers) {
      if (state === 'restorable')
        expect(objects.at(-1)?.key).toBe(`${layer}/batch=${id}/manifest.json`);
    }
    expect((await run('batch', 'restore', id)).code).toBe(3);
    const restored = await run('batch', 'restore', id, '--yes');
    expect(restored.json<Restore>()).toMatchObject({
      status: 0,
      result: { restored: keys.length, state: 'complete', findings: [] },
    });

    // A manifest cut short, and a file of another size.
    const key = `batch=${id}/manifest.json`;
    await client.send(new PutObjectCommand({ Bucket: `${name}-gold`, Key: key, Body: '{' }));
    const file = keys.find((k) => k.startsWith('silver/') && k.endsWith('.parquet')) ?? '';
    await client.send(
      new PutObjectCommand({
        Bucket: `${name}-silver`,
        Key: file.slice('silver/'.length),
        Body: 'damaged',
      }),
    );
    expect((await run('batch', 'verify', id)).code).toBe(1);
    const repaired = (await run('batch', 'restore', id, '--yes')).json<Restore>();
    expect(repaired).toMatchObject({ status: 0, result: { restored: 2, state: 'complete' } });

    // Old versions show in the usage.
    const usage = (await run('lake', 'usage')).json<LakeUsage>().result;
    expect(usage.layers[3]?.oldVersions.objects).toBeGreaterThan(0);

    // Gone with all its versions: nothing pretends to bring it back.
    const versions = await client.send(
      new ListObjectVersionsCommand({ Bucket: `${name}-gold`, Prefix: `batch=${id}/` }),
    );
    for (const { Key, VersionId } of [
      ...(versions.Versions ?? []),
      ...(versions.DeleteMarkers ?? []),
    ]) {
      if (Key?.endsWith('.parquet'))
        await client.send(new DeleteObjectCommand({ Bucket: `${name}-gold`, Key, VersionId }));
    }
    const lost = (await run('batch', 'restore', id, '--yes')).json<Restore>();
    expect(lost.status).toBe(1);
    expect(lost.result.layers.at(-1)).toMatchObject({
      layer: 'gold',
      state: 'lost',
      problem: expect.stringMatching(/no version of gold\/.*\.parquet is left/),
    });
    const unknown = await run('batch', 'restore', '20200101_000000');
    expect([unknown.code, unknown.json().error.code]).toEqual([2, 'BATCH_NOT_FOUND']);
  });

  test('an earlier publication comes back by its time', async () => {
    const { cwd, run, lake } = await project();
    expect((await run('lake', 'init', '--yes')).code).toBe(0);
    const id = '20260131_235959';
    await publishBatch(lake, id, join(cwd, 'scratch'));
    const sha = async () => {
      const found = await lake.readVersion(`gold/batch=${id}/manifest.json`);
      return JSON.parse(found?.body.toString() ?? '{}').generation;
    };
    expect(await sha()).toBe(1);
    // The times of versions are whole seconds.
    const between = new Date(Math.ceil(Date.now() / 1000) * 1000 + 500);
    await new Promise((done) => setTimeout(done, between.getTime() + 1000 - Date.now()));
    await publishBatch(lake, id, join(cwd, 'scratch2'));
    expect(await sha()).toBe(2);
    const { code, json } = await run(
      'batch',
      'restore',
      id,
      '--at',
      between.toISOString(),
      '--yes',
    );
    expect(json().error).toBeUndefined();
    expect(await sha()).toBe(1);
    // The files of the later publication went; their versions are still there.
    expect([code, json<object>().result]).toMatchObject([0, { state: 'complete', findings: [] }]);
  });

  test('an upload that was killed is found, and called off', async () => {
    const { name, cwd, env, run, client } = await project();
    expect((await run('lake', 'init', '--yes')).code).toBe(0);
    // No probe of conditions stays, not even as a version.
    for (const layer of layers) {
      const versions = new ListObjectVersionsCommand({ Bucket: `${name}-${layer}` });
      const { Versions, DeleteMarkers } = await client.send(versions);
      expect([layer, Versions, DeleteMarkers]).toEqual([layer, undefined, undefined]);
    }
    const unfinished = async () => {
      const list = new ListMultipartUploadsCommand({ Bucket: `${name}-raw` });
      return ((await client.send(list)).Uploads ?? []).map(({ Key }) => Key);
    };
    const proxy = await startProxy(moto.endpoint);
    await writeFile(join(cwd, 'large.bin'), randomBytes(40 * 1024 ** 2));
    const upload = startCli(['lake', 'upload', 'large.bin', '--layer', 'raw'], {
      cwd,
      env: { ...env, AWS_ENDPOINT_URL: proxy.endpoint },
    });
    proxy.rules.push({
      when: ({ query }) => query.get('partNumber') === '3',
      fault: {
        kind: 'before',
        run: async () => {
          upload.child.kill('SIGKILL');
        },
      },
      times: 1,
    });
    expect((await upload.result).signal).toBe('SIGKILL');
    await proxy.stop();
    expect(await unfinished()).toEqual(['large.bin']);
    // Of moto, every upload began in 2010; elsewhere it takes a day until one counts as dead.
    const audit = (await run('lake', 'audit')).json<{ findings: AuditCheck[] }>().result;
    expect(audit.findings.filter(({ check }) => check !== 'tls-only')).toEqual([
      {
        bucket: `${name}-raw`,
        check: 'unfinished-uploads',
        state: 'finding',
        problem: expect.stringMatching(/^1 uploads that nobody completed/),
        fix: expect.stringContaining('lake init'),
      },
    ]);
    const plan = (await run('lake', 'init', '--yes')).json<Init>().result;
    const names = plan.buckets.flatMap(({ actions }) => actions.map((action) => action.name));
    expect(names).toEqual(['unfinished-uploads']);
    expect(await unfinished()).toEqual([]);
    // And the upload itself starts again.
    expect((await run('lake', 'upload', 'large.bin', '--layer', 'raw')).code).toBe(0);
  });

  test('a publication calls off what killed runs of its batch left', async () => {
    const { name, cwd, run, lake, client } = await project();
    expect((await run('lake', 'init', '--yes')).code).toBe(0);
    const id = '20260131_235959';
    const Bucket = `${name}-gold`;
    for (const batch of [id, '20260201_000000']) {
      const Key = `batch=${batch}/fact_reviews.parquet`;
      await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    }
    await publishBatch(lake, id, join(cwd, 'scratch'));
    const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
    expect(Uploads?.map(({ Key }) => Key)).toEqual(['batch=20260201_000000/fact_reviews.parquet']);
  });

  type Project = Awaited<ReturnType<typeof project>>;
  /** A user with the printed policy for each role. */
  const makeRoles = async ({ env, run }: Pick<Project, 'env' | 'run'>) => {
    const policies: Record<string, PolicyDocument> = {};
    for (const role of ['admin', 'data-engineer', 'analyst', 'frontend']) {
      const answer = await run('lake', 'policy', '--role', role);
      policies[role] = answer.json<{ policy: PolicyDocument }>().result.policy;
    }
    return runPeer<Record<string, { id: string; secret: string }>>(
      'make_roles.py',
      [moto.endpoint, moto.region, JSON.stringify(policies)],
      env,
    );
  };

  test('the policies let each role do its work, and nothing else', async () => {
    const { name, cwd, env, run, lake } = await project();
    expect((await run('lake', 'init', '--yes')).code).toBe(0);
    await publishBatch(lake, '20260131_235959', join(cwd, 'scratch'));
    await writeFile(join(cwd, 'file.csv'), 'a');
    const keys = await makeRoles({ env, run });
    await moto.enforceAccess();
    const as = (role: string, ...args: string[]) =>
      runCli([...args, '--json'], {
        cwd,
        env: {
          ...env,
          AWS_ACCESS_KEY_ID: keys[role]?.id ?? '',
          AWS_SECRET_ACCESS_KEY: keys[role]?.secret ?? '',
        },
      });
    const code = async (role: string, ...args: string[]) => (await as(role, ...args)).code;
    for (const role of ['admin', 'data-engineer']) {
      expect([role, await code(role, 'batch', 'verify', '20260131_235959')]).toEqual([role, 0]);
      const upload = await as(role, 'lake', 'upload', 'file.csv', '--layer', 'raw');
      expect([role, upload.code]).toEqual([role, 0]);
    }
    const admin = await as('admin', 'lake', 'audit');
    expect(
      admin
        .json<{ checks: AuditCheck[] }>()
        .result.checks.filter(({ check, state }) => check !== 'tls-only' && state !== 'ok'),
    ).toEqual([]);
    const engineer = (await as('data-engineer', 'lake', 'audit')).json<{ checks: AuditCheck[] }>();
    expect(engineer.status).toBe(1);
    // moto knows no rights for some of the settings; AWS refuses them all.
    const states = engineer.result.checks.map(({ check, state }) => `${check} ${state}`);
    expect(states).toContain('versioning unknown');
    expect(await code('analyst', 'batch', 'verify', '20260131_235959')).toBe(0);
    expect(await code('analyst', 'batch', 'list')).toBe(0);
    for (const layer of layers) {
      const denied = await as(
        'analyst',
        'lake',
        'upload',
        'file.csv',
        '--layer',
        layer,
        '--prefix',
        'x',
      );
      expect([layer, denied.json().error?.code]).toEqual([layer, 'LAKE_ACCESS_DENIED']);
    }
    const frontend = await openS3Lake({
      server: {
        ...moto,
        credentials: {
          accessKeyId: keys.frontend?.id ?? '',
          secretAccessKey: keys.frontend?.secret ?? '',
        },
      },
      lake: lakeOn(moto, { bucket: `${name}-{layer}` }),
    });
    const manifest = 'batch=20260131_235959/manifest.json';
    expect((await frontend.read(`gold/${manifest}`)).length).toBeGreaterThan(0);
    for (const layer of ['bronze', 'silver']) {
      await expect(frontend.read(`${layer}/${manifest}`)).rejects.toMatchObject({
        code: 'LAKE_ACCESS_DENIED',
        message: expect.stringContaining(`${name}-${layer}`),
      });
    }
    await expect(frontend.put('gold/x', 'x')).rejects.toMatchObject({ code: 'LAKE_ACCESS_DENIED' });
    const stranger = await runCli(['batch', 'list', '--json'], {
      cwd,
      env: { ...env, AWS_ACCESS_KEY_ID: 'AKIANOBODYNOBODY9999', AWS_SECRET_ACCESS_KEY: 'x' },
    });
    expect([stranger.code, stranger.json().error.code]).toEqual([5, 'LAKE_CREDENTIALS_INVALID']);
    expect(stranger.json().error.message).toContain('…9999');
  });

  test('the policies hold where all layers share a bucket', async () => {
    await moto.enforceAccess(1_000_000);
    const bucket = randomName();
    const shared = { REVIEWOPS_LAKE_S3_BUCKET: bucket, REVIEWOPS_LAKE_S3_PREFIX: 'some/where' };
    const { cwd, env, run } = await project(shared);
    expect((await run('lake', 'init', '--yes')).code).toBe(0);
    const lake = await openS3Lake({
      server: moto,
      lake: lakeOn(moto, { bucket, prefix: 'some/where' }),
    });
    const id = '20260131_235959';
    await publishBatch(lake, id, join(cwd, 'scratch'));
    await writeFile(join(cwd, 'file.csv'), 'a');
    const keys = await makeRoles({ env, run });
    await moto.enforceAccess();
    const denied = async (role: string, ...args: string[]) => {
      const { id: AWS_ACCESS_KEY_ID = '', secret: AWS_SECRET_ACCESS_KEY = '' } = keys[role] ?? {};
      const own = { ...env, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY };
      return (await runCli([...args, '--json'], { cwd, env: own })).json().error?.message;
    };
    for (const role of ['admin', 'data-engineer']) {
      expect(await denied(role, 'batch', 'verify', id)).toBeUndefined();
      expect(await denied(role, 'lake', 'upload', 'file.csv', '--layer', 'raw')).toBeUndefined();
    }
    // Nothing is deleted here: moto asks for that right on the bucket, AWS on the object.
    expect(await denied('data-engineer', 'batch', 'hold', id, '--reason', 'law')).toBeUndefined();
    expect(await denied('admin', 'lake', 'init', '--dry-run')).toBeUndefined();
    expect(await denied('analyst', 'batch', 'verify', id)).toBeUndefined();
    expect(await denied('analyst', 'lake', 'upload', 'file.csv', '--layer', 'gold')).toMatch(
      /may not do this with s3:.*\/some\/where\/gold\/file\.csv/,
    );
    expect(await denied('frontend', 'batch', 'verify', id)).toMatch(/may not do this/);
  });
});
