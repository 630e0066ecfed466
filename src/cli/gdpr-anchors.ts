import type { Anchor } from '../privacy/anchor.js';
import { invalid } from '../system/errors.js';
import type { CommandContext } from './context.js';

/** Anchors in files and buckets. */

const bucketPattern = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/(.*)$/;

export async function putAnchor(
  context: CommandContext,
  place: string,
  retainDays: number | undefined,
): Promise<Anchor> {
  const { anchorToFile } = await import('../privacy/anchor.js');
  const bucket = bucketPattern.exec(place);
  if (bucket === null) {
    if (retainDays !== undefined) {
      throw invalid('USAGE_ERROR', '--retain-days is for buckets; a file cannot be locked.');
    }
    return anchorToFile(context.home, place, context.now);
  }
  const { anchorToBucket } = await import('../privacy/bucket-anchor.js');
  const [, name = '', prefix = ''] = bucket;
  return anchorToBucket(context.home, await bucketOf(context, name), prefix, {
    now: context.now,
    retainDays,
  });
}

export async function anchorsOf(context: CommandContext, place: string): Promise<Anchor[]> {
  const bucket = bucketPattern.exec(place);
  if (bucket === null) {
    const { readAnchors } = await import('../privacy/anchor.js');
    return readAnchors(place);
  }
  const { anchorsInBucket } = await import('../privacy/bucket-anchor.js');
  const [, name = '', prefix = ''] = bucket;
  return anchorsInBucket(await bucketOf(context, name), prefix);
}

async function bucketOf(context: CommandContext, name: string) {
  const [{ S3Connection }, { Bucket }, { s3Settings }, { lake }, { aws }] = await Promise.all([
    import('../lake/s3/connection.js'),
    import('../lake/s3/bucket.js'),
    import('../lake/open.js'),
    context.config(),
    context.lakeSurroundings(),
  ]);
  return new Bucket(name, new S3Connection(s3Settings(lake, await aws()), context.signal));
}
