import type { z } from 'zod';
import { configSchema } from '../../src/config/schema.js';
import type { Lake } from '../../src/lake/lake.js';
import { openLake } from '../../src/lake/open.js';
import { makeBucket, randomName, type S3Server } from './s3-probe.js';

export type LakeSettings = NonNullable<z.input<typeof configSchema>['lake']>;

/** How a test reaches a lake on a server; plain data, so that another process can be told. */
export interface S3Address {
  server: S3Server;
  lake: LakeSettings;
}

/** The settings of a lake on this server; short times, so that tests of failures are quick. */
export const lakeOn = (server: S3Server, s3: LakeSettings['s3'] = {}): LakeSettings => ({
  kind: 's3',
  s3: {
    endpoint: server.endpoint,
    region: server.region,
    encryption: 'none',
    timeoutSeconds: 10,
    partSize: '5MiB',
    ...s3,
  },
});

export const openS3Lake = (
  { server, lake }: S3Address,
  signal: AbortSignal = new AbortController().signal,
): Promise<Lake> =>
  openLake(configSchema.parse({ lake }).lake, {
    home: '/nonexistent',
    profile: 'test',
    signal,
    aws: async () => ({
      credentials: { ...server.credentials, sessionToken: undefined },
      profile: undefined,
      region: undefined,
      endpoint: undefined,
    }),
  });

/** A lake in one fresh bucket, below a prefix. */
export async function inOneBucket(
  server: S3Server,
  s3: LakeSettings['s3'] = {},
): Promise<S3Address & { bucket: string }> {
  const bucket = await makeBucket(server);
  return { server, bucket, lake: lakeOn(server, { bucket, prefix: 'some/where', ...s3 }) };
}

/** A lake with a fresh bucket for each layer. */
export async function inFourBuckets(
  server: S3Server,
  s3: LakeSettings['s3'] = {},
): Promise<S3Address & { pattern: string }> {
  const pattern = `${randomName()}-{layer}`;
  for (const layer of ['raw', 'bronze', 'silver', 'gold'])
    await makeBucket(server, pattern.replace('{layer}', layer));
  return { server, pattern, lake: lakeOn(server, { bucket: pattern, ...s3 }) };
}
