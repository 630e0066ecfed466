import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AttachUserPolicyCommand,
  CreateAccessKeyCommand,
  CreatePolicyCommand,
  CreateUserCommand,
  IAMClient,
  ListAccessKeysCommand,
} from '@aws-sdk/client-iam';
import { parse } from 'dotenv';
import { readEnvironment } from '../../src/config/environment.js';
import { type RunbookWorld, runbookWorld } from '../support/runbooks.js';
import { inFourBuckets, lakeOn } from '../support/s3-lake.js';
import { randomName, type S3Server } from '../support/s3-probe.js';
import { type S3Proxy, startProxy } from '../support/s3-proxy.js';

export interface AwsWorld extends RunbookWorld {
  user: string;
  proxy: S3Proxy;
  envFile: string;
  iam: IAMClient;
  /** The key that the `.env` hands out now. */
  handedOut(): Promise<{ id: string; secret: string }>;
  /** The user's keys: id and status. */
  keys(): Promise<Record<string, string>>;
  /** Another access key of the user. */
  createKey(): Promise<string>;
  /** Makes the clock of the run go on. */
  pass(hours: number): void;
}

export interface AwsWorldOptions {
  /** Of `credentials.aws`. */
  aws?: object;
  /** Further variables; they may change later. */
  variables?: Record<string, string>;
}

const policy = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Action: ['iam:*', 's3:*', 'sts:*', 'secretsmanager:*', 'ssm:*'],
      Resource: '*',
    },
  ],
});

/** An IAM user with one key in a `.env`, four buckets, and a proxy between the run and moto. */
export async function awsWorld(moto: S3Server, options: AwsWorldOptions = {}): Promise<AwsWorld> {
  const user = `etl-${randomName()}`;
  const iam = new IAMClient({
    region: moto.region,
    endpoint: moto.endpoint,
    credentials: moto.credentials,
  });
  await iam.send(new CreateUserCommand({ UserName: user }));
  const { Policy } = await iam.send(
    new CreatePolicyCommand({ PolicyName: user, PolicyDocument: policy }),
  );
  await iam.send(new AttachUserPolicyCommand({ UserName: user, PolicyArn: Policy?.Arn }));
  const createKey = async () => {
    const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: user }));
    return { id: AccessKey?.AccessKeyId ?? '', secret: AccessKey?.SecretAccessKey ?? '' };
  };
  const { id, secret } = await createKey();
  const proxy = await startProxy(moto.endpoint);
  const { pattern } = await inFourBuckets(moto);
  const world = await runbookWorld({
    database: false,
    settings: {
      lake: lakeOn({ ...moto, endpoint: proxy.endpoint }, { bucket: pattern, maxAttempts: 3 }),
      credentials: { aws: { verifications: 2, verifyTimeoutSeconds: 20, ...options.aws } },
    },
  });
  const envFile = join(world.root, '.env');
  await writeFile(
    envFile,
    `# ours\nAWS_ACCESS_KEY_ID=${id}\nAWS_SECRET_ACCESS_KEY='${secret}'\nLAST=1\n`,
    { mode: 0o600 },
  );
  world.services.surroundings = async () => ({
    profile: 'test',
    directory: world.root,
    lookup: await readEnvironment({
      environment: { AWS_ENDPOINT_URL: proxy.endpoint, ...options.variables },
      cwd: world.root,
      configFile: undefined,
      warn: () => undefined,
    }),
  });
  let ahead = 0;
  world.clock.now = () => new Date(Date.now() + ahead);
  const dispose = world.dispose.bind(world);
  return Object.assign(world, {
    user,
    proxy,
    envFile,
    iam,
    handedOut: async () => {
      const values = parse(await readFile(envFile));
      return {
        id: values.AWS_ACCESS_KEY_ID ?? '',
        secret: values.AWS_SECRET_ACCESS_KEY ?? '',
      };
    },
    keys: async () => {
      const { AccessKeyMetadata = [] } = await iam.send(
        new ListAccessKeysCommand({ UserName: user }),
      );
      return Object.fromEntries(
        AccessKeyMetadata.map(({ AccessKeyId, Status }) => [AccessKeyId, Status ?? '']),
      );
    },
    createKey: async () => (await createKey()).id,
    pass: (hours: number) => {
      ahead += hours * 3_600_000;
    },
    dispose: async () => {
      iam.destroy();
      await proxy.stop();
      await dispose();
    },
  });
}
