import { join } from 'node:path';
import type { AwsEnvironment } from '../config/aws.js';
import type { Config } from '../config/schema.js';
import { invalid } from '../system/errors.js';
import { parseSize } from '../system/size.js';
import { type Lake, type Layer, layers } from './lake.js';
import type { S3Settings } from './s3/connection.js';
import type { S3Mount } from './s3/naming.js';

/** What the configuration file does not say. */
export interface LakeSurroundings {
  /** The state directory: a local lake lies in `data` there unless it has a path. */
  home: string;
  /** Stands for {env} in names of buckets. */
  profile: string;
  /** Fires when the operator stops: transfers end then. */
  signal: AbortSignal;
  /** Asked for only when a layer is on S3. */
  aws(): Promise<AwsEnvironment>;
}

const defaultRegion = 'eu-west-3';

/** Keys in the bronze bucket below which lies what belongs to no layer. */
const systemPrefix = '_system/';

/** Where one layer lives. */
export type LayerPlace =
  | { kind: 'local'; path: string }
  | { kind: 's3'; mount: S3Mount; systemMount: S3Mount };

type LakeConfig = Config['lake'];

/** Where every layer lives, by the configuration. */
export function lakePlaces(
  config: LakeConfig,
  { home, profile }: Pick<LakeSurroundings, 'home' | 'profile'>,
): Record<Layer, LayerPlace> {
  const place = (layer: Layer): LayerPlace => {
    const own = config.layers[layer];
    if ((own.kind ?? config.kind) === 'local') {
      return { kind: 'local', path: own.path ?? config.path ?? join(home, 'data') };
    }
    const pattern = own.bucket ?? config.s3.bucket;
    const bucket = pattern
      .replaceAll('{env}', config.s3.env ?? profile)
      .replaceAll('{layer}', layer);
    checkBucketName(bucket);
    const prefix = config.s3.prefix === '' ? '' : `${config.s3.prefix}/`;
    // A bucket of its own does not repeat the layer in each key.
    if (pattern.includes('{layer}')) {
      return {
        kind: 's3',
        mount: { bucket, prefix, top: `${layer}/`, reserved: systemPrefix },
        systemMount: { bucket, prefix: `${prefix}${systemPrefix}`, top: '' },
      };
    }
    const mount = { bucket, prefix, top: '' };
    return { kind: 's3', mount, systemMount: mount };
  };
  return {
    raw: place('raw'),
    bronze: place('bronze'),
    silver: place('silver'),
    gold: place('gold'),
  };
}

function checkBucketName(bucket: string): void {
  if (/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) return;
  throw invalid(
    'BUCKET_NAME_INVALID',
    `"${bucket}" cannot be the name of a bucket: it takes 3 to 63 lower-case letters, digits, dots and hyphens.`,
    { hint: 'Change lake.s3.bucket or lake.s3.env.' },
  );
}

/** How S3 is used, by the configuration and the environment. `CONFIG_INVALID` (exit 2). */
export function s3Settings(config: LakeConfig, aws: AwsEnvironment): S3Settings {
  const { s3 } = config;
  const partSize = parseSize(s3.partSize);
  const smallest = 5 * 1024 ** 2;
  if (partSize < smallest) {
    throw invalid(
      'CONFIG_INVALID',
      `lake.s3.partSize is ${s3.partSize}; S3 takes no less than 5MiB.`,
      {
        hint: 'Set it to 5MiB or more.',
      },
    );
  }
  const endpoint = s3.endpoint ?? aws.endpoint;
  return {
    region: s3.region ?? aws.region ?? defaultRegion,
    endpoint,
    pathStyle: s3.pathStyle ?? endpoint !== undefined,
    encryption: s3.encryption,
    kmsKeyId: s3.kmsKeyId,
    maxAttempts: s3.maxAttempts,
    timeoutSeconds: s3.timeoutSeconds,
    partSize,
    parallelism: s3.parallelism,
    credentials: aws.credentials,
    profile: aws.profile,
  };
}

/** Opens the lake of the configuration. Nothing is reached before its first use. */
export async function openLake(config: LakeConfig, around: LakeSurroundings): Promise<Lake> {
  const places = lakePlaces(config, around);
  const open = await opener(config, around);
  const stores = {
    raw: open(places.raw, false),
    bronze: open(places.bronze, false),
    silver: open(places.silver, false),
    gold: open(places.gold, false),
    system: open(places.bronze, true),
  };
  const [first, ...others] = new Set(Object.values(stores));
  if (first !== undefined && others.length === 0) return first;
  const { LayeredLake } = await import('./layered.js');
  return new LayeredLake(describe(places), stores);
}

/** Opens each place once, however many layers share it. */
async function opener(config: LakeConfig, around: LakeSurroundings) {
  const kinds = new Set(layers.map((layer) => config.layers[layer].kind ?? config.kind));
  const local = kinds.has('local') ? await import('./local.js') : undefined;
  const s3 = kinds.has('s3') ? await openS3(config, around) : undefined;
  const opened = new Map<string, Lake>();
  return (place: LayerPlace, system: boolean): Lake => {
    const mount = place.kind === 's3' ? (system ? place.systemMount : place.mount) : undefined;
    const name = JSON.stringify(mount ?? place);
    let lake = opened.get(name);
    if (lake === undefined) {
      lake = place.kind === 'local' ? local?.openLocalLake(place.path) : mount && s3?.(mount);
      if (lake === undefined) throw new Error(`Nothing opens ${name}.`);
      opened.set(name, lake);
    }
    return lake;
  };
}

async function openS3(config: LakeConfig, { signal, aws }: LakeSurroundings) {
  const [{ S3Connection }, { S3Lake }] = await Promise.all([
    import('./s3/connection.js'),
    import('./s3/lake.js'),
  ]);
  const connection = new S3Connection(s3Settings(config, await aws()), signal);
  return (mount: S3Mount): Lake => new S3Lake(mount, connection);
}

function describe(places: Record<Layer, LayerPlace>): string {
  const wheres = layers.map((layer) => {
    const place = places[layer];
    return place.kind === 'local' ? place.path : `s3://${place.mount.bucket}/${place.mount.prefix}`;
  });
  const patterns = new Set(wheres.map((where, index) => where.replace(layers[index] ?? '', '{}')));
  const [pattern = ''] = patterns;
  if (patterns.size === 1) return `the lake ${pattern.replace('{}', `{${layers.join(',')}}`)}`;
  return `the lake (${wheres.map((where, index) => `${layers[index]} in ${where}`).join(', ')})`;
}
