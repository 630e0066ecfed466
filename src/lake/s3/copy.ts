import type { CompletedPart } from '@aws-sdk/client-s3';
import { mapParallel } from '../../system/parallel.js';
import type { Bucket } from './bucket.js';
import { makeOfParts, type Upload } from './multipart.js';

const MiB = 1024 ** 2;

/**
 * S3 copies at most 5 GiB in one request, which answers only when it is done; parts are quicker
 * well before that, and none of them is silent for long.
 */
const usualSizes = { whole: 1024 * MiB, part: 256 * MiB };
/** S3 takes at most this many parts, and none of more than 5 GiB: 48 TiB, its own limit of objects. */
const maxParts = 10_000;

/** Makes a version of an object the present one, without its bytes passing through here. */
export async function copyVersion(
  bucket: Bucket,
  { objectKey, versionId, bytes }: { objectKey: string; versionId: string; bytes: number },
  sizes = usualSizes,
): Promise<void> {
  const path = objectKey.split('/').map(encodeURIComponent).join('/');
  const CopySource = `${bucket.name}/${path}?versionId=${encodeURIComponent(versionId)}`;
  const params = { Bucket: bucket.name, Key: objectKey, ...bucket.connection.encryption };
  if (bytes <= sizes.whole) {
    await bucket.send(({ client, sdk, options }) =>
      client.send(new sdk.CopyObjectCommand({ ...params, CopySource }), options),
    );
    return;
  }
  const size = Math.max(sizes.part, Math.ceil(bytes / maxParts));
  const starts = Array.from({ length: Math.ceil(bytes / size) }, (_, index) => index * size);
  await makeOfParts(bucket, params, (upload) =>
    mapParallel(starts, bucket.connection.settings.parallelism, (start, index) =>
      copyPart(bucket, upload, {
        CopySource,
        CopySourceRange: `bytes=${start}-${Math.min(start + size, bytes) - 1}`,
        PartNumber: index + 1,
      }),
    ),
  );
}

async function copyPart(
  bucket: Bucket,
  upload: Upload,
  part: { CopySource: string; CopySourceRange: string; PartNumber: number },
): Promise<CompletedPart> {
  const { CopyPartResult } = await bucket.transfer(({ client, sdk, options }) =>
    client.send(new sdk.UploadPartCopyCommand({ ...upload, ...part }), options),
  );
  const { ETag, ChecksumCRC32 } = CopyPartResult ?? {};
  return {
    PartNumber: part.PartNumber,
    ETag,
    ...(ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 }),
  };
}
