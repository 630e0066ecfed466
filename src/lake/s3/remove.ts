import { setTimeout as delay } from 'node:timers/promises';
import type { ObjectIdentifier } from '@aws-sdk/client-s3';
import { failed, unreachable } from '../../system/errors.js';
import type { Bucket } from './bucket.js';

/** What one request takes. */
const batchSize = 1000;

const retriable = ['InternalError', 'SlowDown', 'ServiceUnavailable'];

/** An object, or one of its versions. */
export interface Removal {
  objectKey: string;
  versionId?: string;
}

/**
 * Deletes in groups. The store answers 200 even when some could not be deleted: `LAKE_REMOVE_FAILED`
 * names them, with the store's reasons, after all groups were tried. What is not there is no error.
 */
export async function removeObjects(bucket: Bucket, removals: readonly Removal[]): Promise<void> {
  const failures: { objectKey: string; code: string; message: string }[] = [];
  for (let at = 0; at < removals.length; at += batchSize) {
    let rest: readonly Removal[] = removals.slice(at, at + batchSize);
    for (let attempt = 1; rest.length > 0; attempt += 1) {
      const errors = await deleteGroup(bucket, rest);
      const again = new Set(
        attempt < bucket.connection.settings.maxAttempts
          ? errors.filter(({ code }) => retriable.includes(code)).map(({ objectKey }) => objectKey)
          : [],
      );
      failures.push(...errors.filter(({ objectKey }) => !again.has(objectKey)));
      rest = rest.filter(({ objectKey }) => again.has(objectKey));
      // The SDK waits between attempts only where the whole request was refused.
      if (rest.length > 0) await delay(100 * attempt);
    }
  }
  if (failures.length === 0) return;
  const [first] = failures;
  const shown = failures.slice(0, 5).map(({ objectKey, code }) => `${objectKey} (${code})`);
  const more = failures.length > shown.length ? ` and ${failures.length - shown.length} more` : '';
  const make = failures.every(({ code }) => retriable.includes(code)) ? unreachable : failed;
  throw make(
    'LAKE_REMOVE_FAILED',
    `${failures.length} of ${removals.length} objects in ${bucket.describe()} were not deleted: ${shown.join(', ')}${more}.`,
    {
      hint:
        first?.code === 'AccessDenied'
          ? 'The credential needs s3:DeleteObject there, and no object lock or policy may forbid it; then run it again.'
          : 'Run it again; what is deleted already is no error.',
    },
  );
}

async function deleteGroup(bucket: Bucket, group: readonly Removal[]) {
  const result = await bucket.guard(undefined, () =>
    bucket.send(({ client, sdk, options }) =>
      client.send(
        new sdk.DeleteObjectsCommand({
          Bucket: bucket.name,
          Delete: {
            // Only what failed is of interest.
            Quiet: true,
            Objects: group.map(
              ({ objectKey, versionId }): ObjectIdentifier =>
                versionId === undefined
                  ? { Key: objectKey }
                  : { Key: objectKey, VersionId: versionId },
            ),
          },
        }),
        options,
      ),
    ),
  );
  return (result.Errors ?? [])
    .filter(({ Code }) => Code !== 'NoSuchKey' && Code !== 'NoSuchVersion')
    .map(({ Key, Code, Message }) => ({
      objectKey: Key ?? '',
      code: Code ?? 'unknown reason',
      message: Message ?? '',
    }));
}
