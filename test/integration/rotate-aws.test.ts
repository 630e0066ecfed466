import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { GetSessionTokenCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import runbook from '../../src/runbooks/rotate-aws.js';
import { type GithubStandIn, startGithub } from '../support/github-api.js';
import { randomName } from '../support/s3-probe.js';
import type { Seen } from '../support/s3-proxy.js';
import { type AwsWorld, type AwsWorldOptions, awsWorld } from './aws-world.js';
import { startMoto } from './moto.js';

const moto = await startMoto();
afterAll(moto.stop);

let world: AwsWorld;
const make = async (options: AwsWorldOptions = {}) => {
  world = await awsWorld(moto, options);
  return world;
};
afterEach(() => world?.dispose());

const signedBy = ({ headers }: Seen): string =>
  /Credential=([^/]+)/.exec(headers.authorization ?? '')?.[1] ?? '';

/** Waits of no length: the run goes from the first stage to the last. */
const atOnce = { soakHours: 0, graceHours: 0 };

describe('stage by stage, over days', () => {
  test('a new key is handed out, the old one watched, deactivated and deleted', async () => {
    await make({ aws: { consumers: [{ name: 'monthly report', everyHours: 720 }] } });
    const old = await world.handedOut();

    const first = await world.run(runbook);
    expect(first.report.reason).toMatch(/stays usable until/);
    expect(first.report).toMatchObject({ state: 'waiting', exitCode: 4 });
    const fresh = await world.handedOut();
    expect(fresh.id).not.toBe(old.id);
    expect(await world.keys()).toEqual({ [old.id]: 'Active', [fresh.id]: 'Active' });
    expect((await readFile(world.envFile, 'utf8')).split('\n')).toEqual([
      '# ours',
      `AWS_ACCESS_KEY_ID=${fresh.id}`,
      expect.stringMatching(/^AWS_SECRET_ACCESS_KEY=/),
      'LAST=1',
      '',
    ]);

    world.pass(25);
    const { runId } = first.report;
    const second = await world.resume(runbook, runId);
    expect(second.report.reason).toMatch(/monthly report uses it every 720 hours/);
    expect(await world.keys()).toEqual({ [old.id]: 'Active', [fresh.id]: 'Active' });

    world.pass(24 * 30);
    const third = await world.resume(runbook, runId);
    expect(third.report.reason).toMatch(/stays inactive/);
    expect(await world.keys()).toEqual({ [old.id]: 'Inactive', [fresh.id]: 'Active' });

    world.pass(73);
    const last = await world.resume(runbook, runId);
    expect(last.report.reason).toBeNull();
    expect(last.report.state).toBe('succeeded');
    expect(await world.keys()).toEqual({ [fresh.id]: 'Active' });
  });

  test('a rare consumer that uses the old key after the cut-over puts its end off', async () => {
    await make({ aws: { soakHours: 1, consumers: [{ name: 'weekly job', everyHours: 168 }] } });
    const old = await world.handedOut();
    const { report } = await world.run(runbook);
    const sts = new STSClient({
      region: moto.region,
      endpoint: moto.endpoint,
      credentials: { accessKeyId: old.id, secretAccessKey: old.secret },
    });
    // moto dates a use to the second, and the cut-over may lie in the same one.
    await new Promise((done) => setTimeout(done, 1100));
    const { GetCallerIdentityCommand } = await import('@aws-sdk/client-sts');
    await sts.send(new GetCallerIdentityCommand({}));
    sts.destroy();
    world.pass(2);
    const { report: waiting } = await world.resume(runbook, report.runId);
    expect(waiting.reason).toMatch(/last used at .* for sts in .*, after the cut-over/);
    expect(Date.parse(waiting.due ?? '') - Date.now()).toBeGreaterThan(167 * 3_600_000);
    expect((await world.keys())[old.id]).toBe('Active');
  });

  test('the run itself never uses the old key once the new one is handed out', async () => {
    const variables: Record<string, string> = {};
    await make({ aws: { ...atOnce }, variables });
    const old = await world.handedOut();
    // As an environment that still has the old key.
    variables.AWS_ACCESS_KEY_ID = old.id;
    variables.AWS_SECRET_ACCESS_KEY = old.secret;
    let cutOver = 0;
    const { report } = await world.run(
      runbook,
      {},
      {
        onEvent: (event) => {
          if (event.type === 'step.finished' && event.result.id === 'cut-over') {
            cutOver = world.proxy.requests.length;
          }
        },
      },
    );
    expect(report.reason).toBeNull();
    const later = world.proxy.requests.slice(cutOver).map(signedBy);
    expect(later.length).toBeGreaterThan(5);
    expect(later).not.toContain(old.id);
  });

  test('is taken back until the old key is deleted', async () => {
    await make({ aws: { soakHours: 0, graceHours: 5 } });
    const before = await readFile(world.envFile, 'utf8');
    const old = await world.handedOut();
    const { report } = await world.run(runbook);
    expect((await world.keys())[old.id]).toBe('Inactive');
    const { report: undone } = await world.resume(runbook, report.runId, { undo: true });
    expect(undone).toMatchObject({ state: 'aborted', exitCode: 0 });
    expect(await world.keys()).toEqual({ [old.id]: 'Active' });
    expect(await readFile(world.envFile, 'utf8')).toBe(before);
  });

  test('an old key that somebody activated again is not deleted', async () => {
    await make({ aws: { soakHours: 0, graceHours: 5 } });
    const old = await world.handedOut();
    const { report } = await world.run(runbook);
    const { UpdateAccessKeyCommand } = await import('@aws-sdk/client-iam');
    await world.iam.send(
      new UpdateAccessKeyCommand({ UserName: world.user, AccessKeyId: old.id, Status: 'Active' }),
    );
    world.pass(6);
    const { report: failed } = await world.resume(runbook, report.runId);
    expect(failed.error?.code).toBe('KEY_REACTIVATED');
    expect((await world.keys())[old.id]).toBe('Active');
  });
});

describe('refused before anything is made', () => {
  const unchanged = async (old: string, code: string) => {
    const { report } = await world.run(runbook);
    expect(report).toMatchObject({ state: 'refused', exitCode: 3, changed: false });
    expect(report.error?.code).toBe(code);
    expect((await world.handedOut()).id).toBe(old);
    return report.error;
  };

  test('the limit of two keys, naming the other and its last use (granted#388)', async () => {
    await make();
    const { id } = await world.handedOut();
    const other = await world.createKey();
    const error = await unchanged(id, 'KEY_LIMIT');
    expect(error?.message).toContain(`${other} (active, never used)`);
    expect(error?.hint).toContain(
      `aws iam delete-access-key --user-name ${world.user} --access-key-id ${other}`,
    );
    expect(Object.keys(await world.keys())).toHaveLength(2);
  });

  test('session credentials, with the way out (aws-vault#132)', async () => {
    await make();
    const old = await world.handedOut();
    const sts = new STSClient({
      region: moto.region,
      endpoint: moto.endpoint,
      credentials: { accessKeyId: old.id, secretAccessKey: old.secret },
    });
    const { Credentials } = await sts.send(new GetSessionTokenCommand({}));
    sts.destroy();
    await writeFile(
      world.envFile,
      `AWS_ACCESS_KEY_ID=${Credentials?.AccessKeyId}\nAWS_SECRET_ACCESS_KEY=${Credentials?.SecretAccessKey}\nAWS_SESSION_TOKEN=${Credentials?.SessionToken}\n`,
    );
    const { report } = await world.run(runbook);
    expect(report.error?.code).toBe('SESSION_CREDENTIALS');
    expect(report.error?.hint).toContain('credentials.aws.user');
    expect(Object.keys(await world.keys())).toEqual([old.id]);
  });

  test('an explicit deny, found by simulation (aws-vault#190)', async () => {
    await make();
    const { id } = await world.handedOut();
    const member = (action: string, decision: string) =>
      `<member><EvalActionName>${action}</EvalActionName><EvalDecision>${decision}</EvalDecision></member>`;
    world.proxy.rules.push({
      when: ({ form }) => form?.startsWith('Action=SimulatePrincipalPolicy&') === true,
      fault: {
        kind: 'answer',
        status: 200,
        body: `<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated><EvaluationResults>${member('iam:CreateAccessKey', 'allowed')}${member('iam:DeleteAccessKey', 'explicitDeny')}</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>`,
      },
      times: 1,
    });
    const error = await unchanged(id, 'ROTATION_NOT_ALLOWED');
    expect(error?.message).toContain('iam:DeleteAccessKey (an explicit deny)');
    expect(Object.keys(await world.keys())).toEqual([id]);
  });

  test('a rotation while another one is under way, which would leave two live keys (vault#27477)', async () => {
    await make();
    await world.run(runbook);
    const { id } = await world.handedOut();
    await unchanged(id, 'ROTATION_UNDER_WAY');
    expect(Object.keys(await world.keys())).toHaveLength(2);
  });
});

describe('a new key that is not known everywhere yet', () => {
  test('is proven by successes in a row, with STS and each layer, before it is handed out (aws-sdk-js#559, vault#8413, aws-rotate-iam-keys#81)', async () => {
    await make({ aws: { verifications: 3, ...atOnce } });
    const old = await world.handedOut();
    const refusals = { sts: 2, s3: 3 };
    let handedOutAt = 0;
    const isNew = (seen: Seen) => signedBy(seen) !== old.id;
    world.proxy.rules.push(
      {
        when: (seen) => isNew(seen) && seen.form !== undefined,
        fault: { kind: 'refuse', status: 403, code: 'InvalidClientTokenId' },
        times: refusals.sts,
      },
      {
        when: (seen) => isNew(seen) && seen.path.includes('gold') && seen.method === 'PUT',
        fault: { kind: 'refuse', status: 403, code: 'InvalidAccessKeyId' },
        times: refusals.s3,
      },
    );
    const { report, events } = await world.run(
      runbook,
      {},
      {
        onEvent: (event) => {
          if (event.type === 'step.started' && event.step === 'cut-over') {
            handedOutAt = world.proxy.requests.length;
          }
        },
      },
    );
    expect(report.reason).toBeNull();
    const failures = events.filter(({ type }) => type === 'output').length;
    expect(failures).toBeGreaterThanOrEqual(3);
    expect(report.steps.find(({ id }) => id === 'prove')?.summary).toContain(
      `3 times in a row with STS and S3: raw (write), bronze (write), silver (write), gold (write), after ${failures} failures`,
    );
    const before = world.proxy.requests.slice(0, handedOutAt).filter(isNew);
    for (const layer of ['raw', 'bronze', 'silver', 'gold']) {
      const written = before.filter(
        ({ method, path }) => method === 'PUT' && path.includes(`-${layer}/`),
      );
      expect(written.length).toBeGreaterThanOrEqual(3);
    }
  });

  test('is not handed out when it never works; the run can be taken back', async () => {
    await make({ aws: { verifyTimeoutSeconds: 1 } });
    const old = await world.handedOut();
    world.proxy.rules.push({
      when: (seen) => signedBy(seen) !== old.id && seen.form === undefined,
      fault: { kind: 'refuse', status: 403, code: 'AccessDenied' },
    });
    const { report } = await world.run(runbook);
    expect(report.state).toBe('failed');
    expect(await world.handedOut()).toEqual(old);
    const { report: undone } = await world.resume(runbook, report.runId, { undo: true });
    expect(undone.state).toBe('aborted');
    expect(await world.keys()).toEqual({ [old.id]: 'Active' });
  });

  test('throttling is waited out', async () => {
    await make({ aws: atOnce });
    const refused = { kind: 'refuse', status: 400, code: 'Throttling' } as const;
    for (const action of ['Get', 'List', 'Create', 'Update', 'Delete']) {
      const when = ({ form }: Seen) => form?.startsWith(`Action=${action}`) === true;
      world.proxy.rules.push({ when, fault: refused, times: 2 });
    }
    const { report } = await world.run(runbook);
    expect(report.reason).toBeNull();
    expect(Object.keys(await world.keys())).toHaveLength(1);
  });
});

describe('a failure after CreateAccessKey', () => {
  test('the answer is lost: the key without a secret is deleted and another one made', async () => {
    await make({ aws: atOnce });
    const { id } = await world.handedOut();
    const seen: string[][] = [];
    world.proxy.rules.push({
      when: isCreate,
      fault: { kind: 'lose-answer' },
      times: 1,
    });
    const { report } = await world.run(
      runbook,
      {},
      {
        onEvent: (event) => {
          if (event.type === 'output') seen.push([event.text]);
        },
      },
    );
    expect(report.reason).toBeNull();
    expect(seen.flat().join()).toMatch(
      /was made by this run and its secret is lost; it is deleted/,
    );
    const fresh = await world.handedOut();
    expect(fresh.id).not.toBe(id);
    expect(await world.keys()).toEqual({ [fresh.id]: 'Active' });
  });

  test('the secret cannot be kept: the key is deleted at once (aws-vault rotate)', async () => {
    await make();
    const { id } = await world.handedOut();
    const directory = join(world.home, 'credentials');
    world.proxy.rules.push({
      when: isCreate,
      fault: {
        kind: 'before',
        // The directory goes while IAM makes the key; a file in its place keeps it from coming back.
        run: async () => {
          await rm(directory, { recursive: true });
          await writeFile(directory, 'in the way');
        },
      },
      times: 1,
    });
    const { report } = await world.run(runbook);
    expect(report.state).toBe('failed');
    expect(await world.keys()).toEqual({ [id]: 'Active' });
    expect((await world.handedOut()).id).toBe(id);
  });
});

const isCreate = ({ form }: Seen): boolean => form?.startsWith('Action=CreateAccessKey&') === true;

describe('several sinks at once', () => {
  let github: GithubStandIn | undefined;
  afterEach(() => github?.stop());
  const clients = () => {
    const config = { region: moto.region, endpoint: moto.endpoint, credentials: moto.credentials };
    return { secrets: new SecretsManagerClient(config), ssm: new SSMClient(config) };
  };

  const withSinks = async (more: object[] = []) => {
    github = await startGithub('acme/pipeline');
    const name = `app/${randomName()}`;
    const parameter = `/app/${randomName()}`;
    await make({
      aws: {
        ...atOnce,
        sinks: [
          { kind: 'env-file', path: '.env' },
          { kind: 'secrets-manager', name },
          { kind: 'parameter-store', name: parameter },
          { kind: 'github', repository: 'acme/pipeline', name: 'AWS_KEY', api: github.api },
          ...more,
        ],
      },
      variables: { GITHUB_TOKEN: github.token },
    });
    const { secrets, ssm } = clients();
    const old = await world.handedOut();
    const held = { AWS_ACCESS_KEY_ID: old.id, AWS_SECRET_ACCESS_KEY: old.secret };
    await secrets.send(
      new CreateSecretCommand({
        Name: name,
        SecretString: JSON.stringify({ ...held, ours: 'kept' }),
      }),
    );
    await ssm.send(
      new PutParameterCommand({
        Name: parameter,
        Type: 'SecureString',
        Value: JSON.stringify(held),
      }),
    );
    return {
      github,
      read: async () => {
        const { SecretString = '{}' } = await secrets.send(
          // moto gives the first version where no label is asked for.
          new GetSecretValueCommand({ SecretId: name, VersionStage: 'AWSCURRENT' }),
        );
        const { Parameter } = await ssm.send(
          new GetParameterCommand({ Name: parameter, WithDecryption: true }),
        );
        return {
          entry: JSON.parse(SecretString) as Record<string, string>,
          parameter: JSON.parse(Parameter?.Value ?? '{}') as Record<string, string>,
        };
      },
      staged: async () => {
        const next = { Name: `${parameter}.next`, WithDecryption: true };
        return [
          await secrets
            .send(new GetSecretValueCommand({ SecretId: name, VersionStage: 'AWSPENDING' }))
            .then(
              () => 'entry',
              () => undefined,
            ),
          await ssm.send(new GetParameterCommand(next)).then(
            () => 'parameter',
            () => undefined,
          ),
          github?.secrets.has('AWS_KEY__NEXT') ? 'github' : undefined,
        ].filter((one) => one !== undefined);
      },
    };
  };

  test('.env, Secrets Manager, SSM and GitHub get the same key, sealed on its way', async () => {
    const sinks = await withSinks();
    const { report } = await world.run(runbook);
    expect(report.reason).toBeNull();
    const { id, secret } = await world.handedOut();
    const fresh = { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret };
    expect(await sinks.read()).toEqual({ entry: { ...fresh, ours: 'kept' }, parameter: fresh });
    expect(JSON.parse(sinks.github.secrets.get('AWS_KEY') ?? '{}')).toEqual(fresh);
    expect(sinks.github.bodies.join()).not.toContain(secret);
    expect(await sinks.staged()).toEqual([]);
    expect(await world.keys()).toEqual({ [id]: 'Active' });
  });

  test('one that fails stops it before the cut-over, and everything is undone', async () => {
    const sinks = await withSinks();
    const before = { ...(await sinks.read()), key: await world.handedOut() };
    sinks.github.refuse = 1;
    const { report } = await world.run(runbook);
    expect(report.state).toBe('failed');
    expect(report.reason).toMatch(/github acme\/pipeline AWS_KEY did not take .* 403/);
    expect({ ...(await sinks.read()), key: await world.handedOut() }).toEqual(before);
    expect(await sinks.staged()).toEqual([]);
    expect(await world.keys()).toEqual({ [before.key.id]: 'Active' });
    const { report: resumed } = await world.resume(runbook, report.runId);
    expect(resumed.reason).toBeNull();
    expect(Object.keys(await world.keys())).toEqual([(await world.handedOut()).id]);
  });

  test('one that fails at the cut-over gives all of them the old key back', async () => {
    const sinks = await withSinks();
    const before = { ...(await sinks.read()), key: await world.handedOut() };
    const { report } = await world.run(
      runbook,
      {},
      {
        onEvent: (event) => {
          if (event.type === 'step.started' && event.step === 'cut-over') sinks.github.refuse = 1;
        },
      },
    );
    expect(report).toMatchObject({ state: 'failed', exitCode: 4 });
    expect({ ...(await sinks.read()), key: await world.handedOut() }).toEqual(before);
    expect((await world.keys())[before.key.id]).toBe('Active');
    const { report: resumed } = await world.resume(runbook, report.runId);
    expect(resumed.reason).toBeNull();
  });

  test('a program of the operator gets it on stdin, and gives it back', async () => {
    const script = `const fs=require('fs');const d=process.argv[1];const s=process.env.REVIEWOPS_STAGE;const t=fs.readFileSync(0,'utf8');if(s==='discard')fs.rmSync(d+'/next',{force:true});else fs.writeFileSync(d+'/'+s,t)`;
    const read = `const fs=require('fs');try{process.stdout.write(fs.readFileSync(process.argv[1]+'/'+process.env.REVIEWOPS_STAGE,'utf8'))}catch{process.stdout.write('{}')}`;
    await make({ aws: atOnce });
    world.services.config.credentials.aws.sinks = [
      { kind: 'env-file', path: '.env' },
      {
        kind: 'command',
        write: [process.execPath, '-e', script, world.root],
        read: [process.execPath, '-e', read, world.root],
      },
    ];
    const { report, events } = await world.run(runbook);
    expect(report.reason).toBeNull();
    const { id, secret } = await world.handedOut();
    expect(JSON.parse(await readFile(join(world.root, 'current'), 'utf8'))).toEqual({
      AWS_ACCESS_KEY_ID: id,
      AWS_SECRET_ACCESS_KEY: secret,
    });
    expect(JSON.stringify(events)).not.toContain(secret);
    await chmod(world.root, 0o700);
  });
});
