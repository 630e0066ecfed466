import type { ListMultipartUploadsCommandOutput } from '@aws-sdk/client-s3';
import type { Bucket } from './bucket.js';
import { isMissing } from './errors.js';
import { decodeKey } from './naming.js';

/** An upload in parts that was begun and neither completed nor called off. */
export interface UnfinishedUpload {
  objectKey: string;
  uploadId: string;
  begunAt: Date;
}

/**
 * The unfinished uploads below a prefix of the bucket, in pages inside: those under way, and what
 * processes left that were killed. Throws the SDK's errors.
 */
export async function* unfinishedUploads(
  bucket: Bucket,
  prefix: string,
): AsyncGenerator<UnfinishedUpload> {
  let next: Marker | undefined = {};
  while (next !== undefined) {
    const page: ListMultipartUploadsCommandOutput = await requestPage(bucket, prefix, next);
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      const objectKey = decodeKey(Key, page.EncodingType);
      // Not every store looks at the prefix.
      if (UploadId === undefined || !objectKey.startsWith(prefix)) continue;
      yield { objectKey, uploadId: UploadId, begunAt: Initiated ?? new Date(0) };
    }
    next = markerOf(page);
  }
}

interface Marker {
  KeyMarker?: string;
  UploadIdMarker?: string;
}

const requestPage = (
  bucket: Bucket,
  prefix: string,
  next: Marker,
): Promise<ListMultipartUploadsCommandOutput> =>
  bucket.send(({ client, sdk, options }) =>
    client.send(
      new sdk.ListMultipartUploadsCommand({
        Bucket: bucket.name,
        Prefix: prefix,
        EncodingType: 'url',
        ...next,
      }),
      options,
    ),
  );

function markerOf(page: ListMultipartUploadsCommandOutput): Marker | undefined {
  const { IsTruncated, NextKeyMarker, NextUploadIdMarker, EncodingType } = page;
  if (IsTruncated !== true || NextKeyMarker === undefined) return undefined;
  return {
    KeyMarker: decodeKey(NextKeyMarker, EncodingType),
    ...(NextUploadIdMarker === undefined ? {} : { UploadIdMarker: NextUploadIdMarker }),
  };
}

/** Removes the parts of an upload; one that is over already is no error. Throws the SDK's errors. */
export async function callOff(
  bucket: Bucket,
  { objectKey, uploadId }: Pick<UnfinishedUpload, 'objectKey' | 'uploadId'>,
): Promise<void> {
  try {
    await bucket.send(({ client, sdk, options }) =>
      client.send(
        new sdk.AbortMultipartUploadCommand({
          Bucket: bucket.name,
          Key: objectKey,
          UploadId: uploadId,
        }),
        options,
      ),
    );
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
