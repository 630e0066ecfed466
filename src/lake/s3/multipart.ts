import { type FileHandle, open } from 'node:fs/promises';
import type { CompletedPart, CreateMultipartUploadCommandInput } from '@aws-sdk/client-s3';
import type { Bucket } from './bucket.js';
import { bareEtag } from './connection.js';
import { callOff } from './unfinished.js';

export interface PartsRequest {
  /** Of the object, with the conditions of the write. */
  params: CreateMultipartUploadCommandInput & { IfNoneMatch?: string; IfMatch?: string };
  /** The local file. */
  path: string;
  /** Its bytes. */
  size: number;
  partSize: number;
  /** Parts that travel at once. */
  parallelism: number;
}

/** Which object of which upload. */
export interface Upload {
  Bucket: string | undefined;
  Key: string | undefined;
  UploadId: string | undefined;
}

/**
 * Uploads a file in parts; gives the etag. Holds one part for each that travels, in memory that is
 * used again, so that what it takes does not depend on the file.
 */
export const sendParts = (bucket: Bucket, request: PartsRequest): Promise<string> =>
  makeOfParts(bucket, request.params, (upload) => sendAll(bucket, upload, request));

/**
 * Makes an object of the parts that `transfer` hands over; gives the etag. What fails is called off
 * before this rejects; until the last request nobody sees anything of it.
 */
export async function makeOfParts(
  bucket: Bucket,
  { IfNoneMatch, IfMatch, ...params }: PartsRequest['params'],
  transfer: (upload: Upload) => Promise<CompletedPart[]>,
): Promise<string> {
  const { UploadId } = await bucket.transfer(({ client, sdk, options }) =>
    client.send(
      new sdk.CreateMultipartUploadCommand({ ...params, ChecksumAlgorithm: 'CRC32' }),
      options,
    ),
  );
  const upload = { Bucket: params.Bucket, Key: params.Key, UploadId };
  try {
    const parts = await transfer(upload);
    const { ETag } = await bucket.transfer(({ client, sdk, options }) =>
      client.send(
        new sdk.CompleteMultipartUploadCommand({
          ...upload,
          MultipartUpload: { Parts: parts },
          ...(IfNoneMatch === undefined ? {} : { IfNoneMatch }),
          ...(IfMatch === undefined ? {} : { IfMatch }),
        }),
        options,
      ),
    );
    return bareEtag(ETag);
  } catch (error) {
    await callOffQuietly(bucket, upload);
    throw error;
  }
}

/** Sends every part; waits until none is under way before it rejects. */
async function sendAll(
  bucket: Bucket,
  upload: Upload,
  { path, size, partSize, parallelism }: PartsRequest,
): Promise<CompletedPart[]> {
  const parts: CompletedPart[] = Array.from({ length: Math.ceil(size / partSize) });
  const numbers = parts.keys();
  const file = await open(path, 'r');
  const stop = new AbortController();
  const worker = async (): Promise<void> => {
    const memory = Buffer.allocUnsafeSlow(partSize);
    for (const index of numbers) {
      if (stop.signal.aborted) return;
      const start = index * partSize;
      const body = await readPart(file, memory, { start, end: Math.min(start + partSize, size) });
      parts[index] = await sendPart(bucket, upload, { number: index + 1, body, stop: stop.signal });
    }
  };
  try {
    const workers = Array.from({ length: Math.min(parallelism, parts.length) }, () =>
      worker().catch((error: unknown) => {
        stop.abort(error);
        throw error;
      }),
    );
    for (const outcome of await Promise.allSettled(workers)) {
      if (outcome.status === 'rejected') throw stop.signal.reason ?? outcome.reason;
    }
    return parts;
  } finally {
    await file.close();
  }
}

async function readPart(
  file: FileHandle,
  memory: Buffer,
  { start, end }: { start: number; end: number },
): Promise<Buffer> {
  let filled = 0;
  while (filled < end - start) {
    const { bytesRead } = await file.read(memory, filled, end - start - filled, start + filled);
    if (bytesRead === 0) throw new Error('The file became shorter while it was uploaded.');
    filled += bytesRead;
  }
  return memory.subarray(0, filled);
}

async function sendPart(
  bucket: Bucket,
  upload: Upload,
  { number, body, stop }: { number: number; body: Buffer; stop: AbortSignal },
): Promise<CompletedPart> {
  const sent = await bucket.transfer(({ client, sdk, options }) =>
    client.send(
      new sdk.UploadPartCommand({
        ...upload,
        PartNumber: number,
        Body: body,
        ContentLength: body.length,
        ChecksumAlgorithm: 'CRC32',
      }),
      // One part that failed for good ends the others.
      { abortSignal: AbortSignal.any([options.abortSignal, stop]) },
    ),
  );
  return {
    PartNumber: number,
    ETag: sent.ETag,
    ...(sent.ChecksumCRC32 === undefined ? {} : { ChecksumCRC32: sent.ChecksumCRC32 }),
  };
}

async function callOffQuietly(
  bucket: Bucket,
  { Key: objectKey = '', UploadId: uploadId = '' }: Upload,
): Promise<void> {
  try {
    await callOff(bucket, { objectKey, uploadId });
  } catch {
    // Nobody sees the parts, and the rule of `lake init` removes them; why it failed matters more.
  }
}
