import { randomBytes } from 'node:crypto';
import * as sdk from '@aws-sdk/client-s3';

/**
 * Finds out what a server honours of S3, by asking it: a test of something it does not honour is
 * skipped with the reason, and never passes for nothing.
 */

// Its advice on versions of Node would stand between the results.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';

export const abilities = [
  'conditionalCreate',
  'atomicCreate',
  'conditionalReplace',
  'atomicReplace',
  'conditionalDelete',
  'conditionalComplete',
  'conditionalCompleteMatch',
  'conditionalRead',
  'multipart',
  'abortMultipart',
  'listUploads',
  'checksums',
  'byteOrder',
  'urlEncoding',
  'versioning',
  'deleteErrors',
  'bucketSettings',
] as const;
export type Ability = (typeof abilities)[number];

/** What a server lacks, with the reason in words. */
export type Lacks = Partial<Record<Ability, string>>;

export interface S3Server {
  name: string;
  endpoint: string;
  region: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
}

export const clientOf = ({ endpoint, region, credentials }: S3Server): sdk.S3Client =>
  new sdk.S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 3 });

export async function makeBucket(server: S3Server, Bucket = randomName()): Promise<string> {
  const constraint = server.region === 'us-east-1' ? {} : { LocationConstraint: server.region };
  await clientOf(server).send(
    new sdk.CreateBucketCommand({
      Bucket,
      ...('LocationConstraint' in constraint
        ? { CreateBucketConfiguration: constraint as sdk.CreateBucketConfiguration }
        : {}),
    }),
  );
  return Bucket;
}

export const randomName = (): string => `reviewops-${randomBytes(6).toString('hex')}`;

const statusOf = (error: unknown): number =>
  (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode ?? 0;

/** The status of what a request is refused with; undefined when it is taken. */
async function refusal(request: () => Promise<unknown>): Promise<number | undefined> {
  try {
    await request();
    return undefined;
  } catch (error) {
    return statusOf(error);
  }
}

export async function probe(server: S3Server): Promise<Lacks> {
  const client = clientOf(server);
  const Bucket = await makeBucket(server);
  const put = (Key: string, more: object = {}) =>
    client.send(new sdk.PutObjectCommand({ Bucket, Key, Body: Key, ...more }));
  const startUpload = async (Key: string) => {
    const { UploadId } = await client.send(new sdk.CreateMultipartUploadCommand({ Bucket, Key }));
    const part = await client.send(
      new sdk.UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: 'part' }),
    );
    return { UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag: part.ETag }] } };
  };
  const refusesToComplete = async (header: string, condition: object) => {
    await put('complete');
    const upload = await startUpload('complete');
    const complete = { Bucket, Key: 'complete', ...condition, ...upload };
    const status = await refusal(() =>
      client.send(new sdk.CompleteMultipartUploadCommand(complete)),
    );
    return status === 412 ? undefined : `CompleteMultipartUpload ignores ${header}`;
  };
  /** Of many who put an object at once, on a condition that holds for the first, one may succeed. */
  const ofManyOne = async (what: string, condition: (key: string) => Promise<object>) => {
    for (let round = 0; round < 10; round += 1) {
      const key = `probe/${what}/${round}`;
      const given = await condition(key);
      const refused = await Promise.all(
        Array.from({ length: 8 }, () => refusal(() => put(key, given))),
      );
      const taken = refused.filter((status) => status === undefined).length;
      if (taken !== 1) return `${taken} of 8 ${what}`;
    }
    return undefined;
  };
  const checks: Record<Ability, () => Promise<string | undefined>> = {
    conditionalCreate: async () => {
      await put('create');
      const status = await refusal(() => put('create', { IfNoneMatch: '*' }));
      return status === 412 ? undefined : 'PutObject ignores If-None-Match';
    },
    atomicCreate: () =>
      ofManyOne('created the same object at once', async () => ({ IfNoneMatch: '*' })),
    atomicReplace: () =>
      ofManyOne('replaced the same version at once', async (Key) => ({
        IfMatch: (await put(Key)).ETag,
      })),
    conditionalReplace: async () => {
      await put('replace');
      const status = await refusal(() => put('replace', { IfMatch: '"other"' }));
      return status === 412 ? undefined : 'PutObject ignores If-Match';
    },
    conditionalDelete: async () => {
      await put('delete');
      const remove = { Bucket, Key: 'delete', IfMatch: '"other"' };
      const status = await refusal(() => client.send(new sdk.DeleteObjectCommand(remove)));
      return status === 412 ? undefined : 'DeleteObject ignores If-Match';
    },
    conditionalComplete: () => refusesToComplete('If-None-Match', { IfNoneMatch: '*' }),
    conditionalCompleteMatch: () => refusesToComplete('If-Match', { IfMatch: '"other"' }),
    conditionalRead: async () => {
      await put('read');
      const read = { Bucket, Key: 'read', IfMatch: '"other"' };
      const status = await refusal(() => client.send(new sdk.GetObjectCommand(read)));
      return status === 412 ? undefined : 'GetObject ignores If-Match';
    },
    multipart: async () => {
      const upload = await startUpload('multipart');
      await client.send(
        new sdk.CompleteMultipartUploadCommand({ Bucket, Key: 'multipart', ...upload }),
      );
      const { Body } = await client.send(new sdk.GetObjectCommand({ Bucket, Key: 'multipart' }));
      return (await Body?.transformToString()) === 'part' ? undefined : 'no multipart uploads';
    },
    abortMultipart: async () => {
      const { UploadId, MultipartUpload } = await startUpload('abort');
      const upload = { Bucket, Key: 'abort', UploadId };
      await client.send(new sdk.AbortMultipartUploadCommand(upload));
      const status = await refusal(() =>
        client.send(new sdk.CompleteMultipartUploadCommand({ ...upload, MultipartUpload })),
      );
      return status === 404 ? undefined : 'uploads cannot be called off';
    },
    listUploads: async () => {
      const { UploadId } = await startUpload('unfinished');
      const { Uploads } = await client.send(new sdk.ListMultipartUploadsCommand({ Bucket }));
      const listed = Uploads?.some((upload) => upload.UploadId === UploadId) === true;
      return listed ? undefined : 'unfinished uploads are not listed';
    },
    checksums: async () => {
      const status = await refusal(() => put('checksum', { ChecksumCRC32: 'AAAAAA==' }));
      return status === 400 ? undefined : 'wrong checksums are taken';
    },
    byteOrder: async () => {
      for (const Key of ['order/\u{1f642}', 'order/\uff5e', 'order/a']) await put(Key);
      const { Contents } = await client.send(
        new sdk.ListObjectsV2Command({ Bucket, Prefix: 'order/' }),
      );
      const keys = (Contents ?? []).map(({ Key }) => Key).join(' ');
      return keys === 'order/a order/\uff5e order/\u{1f642}'
        ? undefined
        : 'listings are not in the order of bytes';
    },
    urlEncoding: async () => {
      await put('url/a b+c%20');
      const { Contents } = await client.send(
        new sdk.ListObjectsV2Command({ Bucket, Prefix: 'url/', EncodingType: 'url' }),
      );
      const key = Contents?.[0]?.Key ?? '';
      return decodeURIComponent(key.replaceAll('+', '%20')) === 'url/a b+c%20'
        ? undefined
        : 'listings do not encode keys';
    },
    versioning: async () => {
      const bucket = await makeBucket(server);
      const status = await refusal(() =>
        client.send(
          new sdk.PutBucketVersioningCommand({
            Bucket: bucket,
            VersioningConfiguration: { Status: 'Enabled' },
          }),
        ),
      );
      if (status !== undefined) return `no versioning (${status})`;
      for (const Body of ['one', 'two'])
        await client.send(new sdk.PutObjectCommand({ Bucket: bucket, Key: 'v', Body }));
      const { Versions } = await client.send(
        new sdk.ListObjectVersionsCommand({ Bucket: bucket, Prefix: 'v' }),
      );
      return Versions?.length === 2 ? undefined : 'old versions are not kept';
    },
    deleteErrors: async () => {
      const objects = [{ Key: 'errors', VersionId: 'no-such-version' }];
      const result = await client.send(
        new sdk.DeleteObjectsCommand({ Bucket, Delete: { Objects: objects } }),
      );
      return result.Errors?.length === 1 ? undefined : 'DeleteObjects reports no errors by key';
    },
    bucketSettings: async () => {
      const block = { BlockPublicAcls: true, BlockPublicPolicy: true };
      await refusal(() =>
        client.send(
          new sdk.PutPublicAccessBlockCommand({
            Bucket,
            PublicAccessBlockConfiguration: block,
          }),
        ),
      );
      const { PublicAccessBlockConfiguration: kept } = await client.send(
        new sdk.GetPublicAccessBlockCommand({ Bucket }),
      );
      return kept?.BlockPublicAcls === true ? undefined : 'settings of buckets are not kept';
    },
  };
  const lacks: Lacks = {};
  for (const ability of abilities) {
    let reason: string | undefined;
    try {
      reason = await checks[ability]();
    } catch (error) {
      reason = `fails: ${(error as Error).name} ${statusOf(error)}`;
    }
    if (reason !== undefined) lacks[ability] = reason;
  }
  client.destroy();
  return lacks;
}
