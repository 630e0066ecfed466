import type { Config } from '../config/schema.js';
import { invalid, isOperatorError } from '../system/errors.js';
import { type Layer, layers } from './lake.js';
import { leasesPrefix, probeKey } from './layout.js';
import { type LakeSurroundings, lakePlaces, s3Settings } from './open.js';
import type { WantedBucket } from './s3/aspect.js';
import type { Bucket } from './s3/bucket.js';
import type { S3Mount } from './s3/naming.js';

/** A bucket of the lake, with what lies in it and how it should be set. */
export interface LakeBucket {
  bucket: Bucket;
  layers: Layer[];
  wanted: WantedBucket;
  /** A key in the bucket under which a probe may be written. */
  probeKey: string;
}

interface Found {
  layers: Layer[];
  /** What keys of batches begin with. */
  prefixes: string[];
  mount: S3Mount;
}

/** The buckets of the configuration, each once; none for a local lake. Reaches nothing. */
export async function lakeBuckets(
  config: Config['lake'],
  around: LakeSurroundings,
): Promise<LakeBucket[]> {
  const places = lakePlaces(config, around);
  const found = new Map<string, Found>();
  const system = places.bronze.kind === 's3' ? places.bronze.systemMount : undefined;
  for (const layer of layers) {
    const place = places[layer];
    if (place.kind === 'local') continue;
    const { bucket, prefix, top } = place.mount;
    const entry = found.get(bucket) ?? { layers: [], prefixes: [], mount: place.mount };
    found.set(bucket, entry);
    entry.layers.push(layer);
    entry.prefixes.push(`${prefix}${top === '' ? `${layer}/` : ''}batch=`);
  }
  if (found.size === 0) return [];
  const [{ S3Connection }, { Bucket }, { Naming }] = await Promise.all([
    import('./s3/connection.js'),
    import('./s3/bucket.js'),
    import('./s3/naming.js'),
  ]);
  const settings = s3Settings(config, await around.aws());
  const connection = new S3Connection(settings, around.signal);
  const { archiveAfterDays, archiveClass } = config.s3;
  const { encryption, kmsKeyId } = settings;
  const plainHttp = settings.endpoint?.startsWith('http:') === true;
  return [...found].map(([name, entry]) => ({
    bucket: new Bucket(name, connection),
    layers: entry.layers,
    probeKey: new Naming(entry.mount).objectKey(probeKey(entry.layers[0] ?? 'raw', 'lake-init')),
    wanted: {
      plainHttp,
      encryption,
      kmsKeyId,
      prefix: entry.mount.prefix,
      batchPrefixes: entry.prefixes,
      leasesPrefix: system?.bucket === name ? `${system.prefix}${leasesPrefix}` : undefined,
      archiveAfterDays,
      archiveClass,
    },
  }));
}

/** Whether the bucket is there. Throws the OperatorError when that cannot be told. */
export async function bucketExists({ bucket, probeKey }: LakeBucket): Promise<boolean> {
  try {
    // A role may be allowed to list no more than the lake's own part of the bucket.
    await bucket.prove(probeKey);
    return true;
  } catch (error) {
    if (isOperatorError(error) && error.code === 'BUCKET_NOT_FOUND') return false;
    throw error;
  }
}

export const lakeIsLocal = (what: string) =>
  invalid('LAKE_IS_LOCAL', `The lake is a local directory; ${what}.`, {
    hint: 'Choose a lake on S3 with lake.kind: s3 (or REVIEWOPS_LAKE_KIND=s3, or --profile).',
  });
