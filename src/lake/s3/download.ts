import { type FileHandle, open, rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { throwIfAborted } from '../../system/errors.js';
import type { Bucket } from './bucket.js';
import { bareEtag, quotedEtag } from './connection.js';
import { isPrecondition, readTruncated, statusOf } from './errors.js';

/** Reading objects so that a connection that breaks is taken up again where it broke. */

/** A version of an object, opened for reading. */
export interface OpenObject {
  bytes: number;
  etag: string;
  /** Throws `ObjectReplaced` when the rest has to come from a version that is gone. */
  chunks: AsyncGenerator<Buffer>;
}

/** The version that was being read is not there any more. */
export class ObjectReplaced extends Error {}

/** Opens the whole object. Rejects with the SDK's error when it cannot be opened. */
export async function openObject(
  bucket: Bucket,
  objectKey: string,
  versionId?: string,
): Promise<OpenObject> {
  const first = await get(bucket, objectKey, versionId === undefined ? {} : { versionId });
  const bytes = first.ContentLength ?? 0;
  const etag = bareEtag(first.ETag);
  const range = { start: 0, end: bytes };
  const source = { bucket, objectKey, etag, versionId };
  return { bytes, etag, chunks: readFrom(first, range, source) };
}

/**
 * Downloads an object to a new file, in ranges of `partSize` that travel side by side.
 *
 * @returns false when the object was replaced meanwhile; the file is gone then, too
 */
export async function downloadObject(
  bucket: Bucket,
  objectKey: string,
  path: string,
): Promise<boolean> {
  const file = await open(path, 'wx');
  let whole = false;
  try {
    whole = await fillFile(bucket, objectKey, file);
    return whole;
  } catch (error) {
    if (error instanceof ObjectReplaced) return false;
    throw error;
  } finally {
    await file.close();
    if (!whole) await rm(path, { force: true });
  }
}

async function fillFile(bucket: Bucket, objectKey: string, file: FileHandle): Promise<boolean> {
  const { partSize, parallelism } = bucket.connection.settings;
  let first: GetObjectCommandOutput;
  try {
    first = await get(bucket, objectKey, { start: 0, end: partSize });
  } catch (error) {
    // An empty object has no first byte.
    if (statusOf(error) !== 416) throw error;
    return true;
  }
  const etag = bareEtag(first.ETag);
  const total = totalBytes(first);
  const source = { bucket, objectKey, etag };
  const write = async (response: GetObjectCommandOutput, range: Range): Promise<void> => {
    let position = range.start;
    for await (const chunks of gathered(readFrom(response, range, source))) {
      position += await writeAll(file, chunks, position);
    }
  };
  const ranges: Range[] = [];
  for (let start = partSize; start < total; start += partSize) {
    ranges.push({ start, end: Math.min(start + partSize, total) });
  }
  const queue = ranges.values();
  const failure: { error?: unknown } = {};
  const worker = async (begin: () => Promise<void>): Promise<void> => {
    try {
      await begin();
      for (const range of queue) {
        if ('error' in failure) return;
        await write(await get(bucket, objectKey, { ...range, etag }), range);
      }
    } catch (error) {
      if (!('error' in failure)) failure.error = error;
    }
  };
  const firstRange = { start: 0, end: Math.min(partSize, total) };
  const workers = Array.from({ length: Math.min(parallelism, ranges.length + 1) }, (_, index) =>
    worker(async () => {
      if (index === 0) await write(first, firstRange);
    }),
  );
  // All have to end before the file is closed.
  await Promise.all(workers);
  if ('error' in failure) throw failure.error;
  return true;
}

/** Bytes that are written at once: a call for each packet would take longer than the hashing. */
const writeSize = 512 * 1024;

/** The chunks in groups of about `writeSize`. */
async function* gathered(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer[]> {
  let group: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    group.push(chunk);
    bytes += chunk.length;
    if (bytes < writeSize) continue;
    yield group;
    group = [];
    bytes = 0;
  }
  if (bytes > 0) yield group;
}

/** Writes all chunks, one behind the other; gives their bytes. */
async function writeAll(file: FileHandle, chunks: Buffer[], position: number): Promise<number> {
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  let done = (await file.writev(chunks, position)).bytesWritten;
  if (done === bytes) return bytes;
  // A disk that is nearly full takes the first bytes only, and says so with the next attempt.
  const all = Buffer.concat(chunks);
  while (done < bytes) {
    done += (await file.write(all, done, bytes - done, position + done)).bytesWritten;
  }
  return bytes;
}

/** From `start` up to but without `end`. */
interface Range {
  start: number;
  end: number;
}

interface Source {
  bucket: Bucket;
  objectKey: string;
  etag: string;
  versionId?: string | undefined;
}

interface Wanted extends Partial<Range> {
  etag?: string;
  versionId?: string | undefined;
}

async function get(
  bucket: Bucket,
  objectKey: string,
  { start, end, etag, versionId }: Wanted,
): Promise<GetObjectCommandOutput> {
  try {
    return await bucket.transfer(({ client, sdk, options }) =>
      client.send(
        new sdk.GetObjectCommand({
          Bucket: bucket.name,
          Key: objectKey,
          ...(start === undefined || end === undefined
            ? {}
            : { Range: `bytes=${start}-${end - 1}` }),
          ...(etag === undefined ? {} : { IfMatch: quotedEtag(etag) }),
          ...(versionId === undefined ? {} : { VersionId: versionId }),
        }),
        options,
      ),
    );
  } catch (error) {
    // Asked for by its etag, a missing object is one that was removed meanwhile.
    if (isPrecondition(error) || (etag !== undefined && statusOf(error) === 404)) {
      throw new ObjectReplaced(objectKey, { cause: error });
    }
    throw error;
  }
}

/** `bytes 0-99/1234` says how large the whole is. */
const totalBytes = ({ ContentRange, ContentLength }: GetObjectCommandOutput): number =>
  Number(/\/(\d+)$/.exec(ContentRange ?? '')?.[1] ?? ContentLength ?? 0);

/** The bytes of a range; asks again for what is missing when the connection breaks. */
async function* readFrom(
  first: GetObjectCommandOutput,
  { start, end }: Range,
  source: Source,
): AsyncGenerator<Buffer> {
  const { bucket, objectKey } = source;
  const { maxAttempts } = bucket.connection.settings;
  let response = first;
  let at = start;
  for (let failures = 0; ; ) {
    const body = response.Body as Readable;
    const before = at;
    let problem: unknown;
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        at += chunk.length;
        yield chunk;
      }
      if (at === end) return;
    } catch (error) {
      throwIfAborted(bucket.connection.signal);
      problem = error;
    } finally {
      body.destroy();
    }
    if (at > before) failures = 0;
    failures += 1;
    const place = bucket.place(objectKey);
    if (at >= end) throw readTruncated(place, 'the bytes do not fit their checksum', problem);
    if (failures >= maxAttempts) {
      throw readTruncated(place, `${at - start} of ${end - start} bytes arrived`, problem);
    }
    await delay(100 * failures);
    response = await get(bucket, objectKey, { ...source, start: at, end });
  }
}
