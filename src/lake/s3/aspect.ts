import type { Bucket, Request } from './bucket.js';
import { statusOf } from './errors.js';

/** What the configuration wants of one bucket. */
export interface WantedBucket {
  /** The endpoint is reached without TLS: refusing that would lock us out. */
  plainHttp: boolean;
  encryption: 'none' | 's3' | 'kms';
  kmsKeyId: string | undefined;
  /** What all keys of the lake in this bucket begin with; empty when the bucket is the lake's. */
  prefix: string;
  /** What keys of batches begin with. */
  batchPrefixes: readonly string[];
  /** What keys of leases begin with, in the bucket that holds them. */
  leasesPrefix: string | undefined;
  /** 0 is never. */
  archiveAfterDays: number;
  archiveClass: 'GLACIER_IR' | 'GLACIER' | 'DEEP_ARCHIVE';
}

export interface Aspect {
  name:
    | 'public-access'
    | 'encryption'
    | 'versioning'
    | 'lifecycle'
    | 'tls-only'
    | 'unfinished-uploads';
  /** What `apply` does, as an imperative. */
  action: string;
  /** What is not as it should be; undefined when all is well. Throws the SDK's errors. */
  problem(bucket: Bucket, wanted: WantedBucket): Promise<string | undefined>;
  apply(bucket: Bucket, wanted: WantedBucket): Promise<void>;
  /** Whether a new bucket needs it; without the function it does. */
  neededFor?(wanted: WantedBucket): boolean;
  /** What stands in the way of `apply`, and its cure. */
  impossible?(wanted: WantedBucket): { problem: string; fix: string } | undefined;
}

/** Statements and rules with this name are ours; all others are left as they are. */
export const ownName = 'reviewops';

/** What is not set is answered with 404. */
export async function unlessUnset<T>(
  bucket: Bucket,
  ask: (request: Request) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await bucket.send(ask);
  } catch (error) {
    if (statusOf(error) === 404 && !(error instanceof Error && error.name === 'NoSuchBucket')) {
      return undefined;
    }
    throw error;
  }
}
