import { randomUUID } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { throwIfAborted } from '../../system/errors.js';
import type { PutCondition } from '../lake.js';
import type { Bucket } from './bucket.js';
import { bareEtag, quotedEtag } from './connection.js';
import { isMissing, isPrecondition, statusOf } from './errors.js';
import { sendParts } from './multipart.js';

/** The condition of a write did not hold. */
export class ConditionFailed extends Error {}

/** Names the write that made an object; see `landed`. */
const writeMark = 'reviewops-write';

/** How often a write that met another one of the same key is tried. */
const conflictAttempts = 5;

/** S3 takes at most this many parts. */
const maxParts = 10_000;

export interface Written {
  bytes: number;
  etag: string;
}

/** Writes a small object. Throws `ConditionFailed`, and else the SDK's errors. */
export async function putBytes(
  bucket: Bucket,
  objectKey: string,
  body: Uint8Array,
  condition: PutCondition,
): Promise<Written> {
  const { params, mark } = writeParams(bucket, objectKey, condition);
  const etag = await write(bucket, objectKey, { mark, condition }, async () => {
    const { ETag } = await bucket.send(({ client, sdk, options }) =>
      client.send(
        new sdk.PutObjectCommand({ ...params, Body: body, ContentLength: body.length }),
        options,
      ),
    );
    return bareEtag(ETag);
  });
  return { bytes: body.length, etag };
}

/**
 * Writes a file: in one request when it fits a part, else in parts that travel side by side. An
 * upload that does not end well is called off, so that no part stays behind.
 */
export async function putLocalFile(
  bucket: Bucket,
  objectKey: string,
  path: string,
  condition: PutCondition,
): Promise<Written> {
  const { size } = await stat(path);
  const { partSize: wanted, parallelism } = bucket.connection.settings;
  if (size <= wanted) return putBytes(bucket, objectKey, await readFile(path), condition);
  const { params, mark } = writeParams(bucket, objectKey, condition);
  const partSize = Math.max(wanted, Math.ceil(size / maxParts));
  const etag = await write(bucket, objectKey, { mark, condition }, () =>
    sendParts(bucket, { params, path, size, partSize, parallelism }),
  );
  return { bytes: size, etag };
}

interface Attempt {
  mark: string;
  condition: PutCondition;
}

/** Runs one write, and finds out what became of it when the store says that it failed. */
async function write(
  bucket: Bucket,
  objectKey: string,
  { mark, condition }: Attempt,
  send: () => Promise<string>,
): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send();
    } catch (error) {
      throwIfAborted(bucket.connection.signal);
      const replaces = condition.ifMatch !== undefined;
      const refused = isPrecondition(error) || (replaces && isMissing(error));
      const repeated = isMissing(error) && statusOf(error) === 404;
      if (!refused && !repeated) throw error;
      // Sent again after an answer was lost, a write meets its own first attempt.
      const landed = await landedEtag(bucket, objectKey, mark);
      if (landed !== undefined) return landed;
      if (!refused) throw error;
      // 409: another write of this key was under way, and which one comes first is open.
      if (statusOf(error) !== 409 || attempt === conflictAttempts) {
        throw new ConditionFailed(objectKey, { cause: error });
      }
      await delay(50 * attempt);
    }
  }
}

/** The etag of the object if it was made by the write with this mark. */
async function landedEtag(
  bucket: Bucket,
  objectKey: string,
  mark: string,
): Promise<string | undefined> {
  try {
    const found = await bucket.send(({ client, sdk, options }) =>
      client.send(new sdk.HeadObjectCommand({ Bucket: bucket.name, Key: objectKey }), options),
    );
    return found.Metadata?.[writeMark] === mark ? bareEtag(found.ETag) : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function writeParams(bucket: Bucket, objectKey: string, condition: PutCondition) {
  const mark = randomUUID();
  const params = {
    Bucket: bucket.name,
    Key: objectKey,
    Metadata: { [writeMark]: mark },
    ...bucket.connection.encryption,
    ...(condition.ifAbsent === true ? { IfNoneMatch: '*' } : {}),
    ...(condition.ifMatch === undefined ? {} : { IfMatch: quotedEtag(condition.ifMatch) }),
  };
  return { params, mark };
}
