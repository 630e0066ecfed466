import type { Bucket } from '../lake/s3/bucket.js';
import { type Anchor, parseAnchors } from './anchor.js';
import { addDays } from './deadline.js';
import { readEntries, requireWhole } from './journal.js';

/** Writes the present head as an object of its own; nothing that is there is written over. */
export async function anchorToBucket(
  home: string,
  bucket: Bucket,
  prefix: string,
  { now, retainDays }: { now: () => Date; retainDays: number | undefined },
): Promise<Anchor> {
  const head = requireWhole(await readEntries(home), home);
  const at = now();
  const anchor = { ...head, at: at.toISOString() };
  const key = `${prefix}${anchor.at}-${head.hash.slice(0, 12)}.json`;
  const lock =
    retainDays === undefined
      ? {}
      : {
          ObjectLockMode: 'COMPLIANCE' as const,
          ObjectLockRetainUntilDate: addDays(at, retainDays),
        };
  await bucket.guard(key, () =>
    bucket.send(({ client, sdk, options }) =>
      client.send(
        new sdk.PutObjectCommand({
          Bucket: bucket.name,
          Key: key,
          Body: `${JSON.stringify(anchor)}\n`,
          IfNoneMatch: '*',
          ...bucket.connection.encryption,
          ...lock,
        }),
        options,
      ),
    ),
  );
  return anchor;
}

/**
 * All anchors below a prefix, a page of keys at a time.
 *
 * @throws ANCHOR_UNREADABLE (exit 1) and what the bucket throws
 */
export async function anchorsInBucket(bucket: Bucket, prefix: string): Promise<Anchor[]> {
  const anchors: Anchor[] = [];
  let token: string | undefined;
  do {
    const page = await bucket.guard(prefix, () =>
      bucket.send(({ client, sdk, options }) =>
        client.send(
          new sdk.ListObjectsV2Command({
            Bucket: bucket.name,
            Prefix: prefix,
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          options,
        ),
      ),
    );
    for (const { Key: key = '' } of page.Contents ?? []) {
      const body = await bucket.guard(key, () =>
        bucket.send(async ({ client, sdk, options }) => {
          const object = await client.send(
            new sdk.GetObjectCommand({ Bucket: bucket.name, Key: key }),
            options,
          );
          return (await object.Body?.transformToString()) ?? '';
        }),
      );
      anchors.push(...parseAnchors(body, `${bucket.describe(key)}`));
    }
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
  return anchors;
}
