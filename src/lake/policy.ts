import type { Config } from '../config/schema.js';
import { type Layer, layers } from './lake.js';
import { systemTops } from './layout.js';
import { type LakeSurroundings, lakePlaces, s3Settings } from './open.js';
import { partitionOf } from './s3/aspects.js';

/** Who works with the lake, and what each may do with a layer; nothing where a layer is absent. */
export const roles = ['admin', 'data-engineer', 'analyst', 'frontend'] as const;
export type Role = (typeof roles)[number];

export const layerRights: Record<Role, Partial<Record<Layer, 'read' | 'write'>>> = {
  admin: { raw: 'write', bronze: 'write', silver: 'write', gold: 'write' },
  'data-engineer': { raw: 'write', bronze: 'write', silver: 'write', gold: 'write' },
  analyst: { bronze: 'read', silver: 'read', gold: 'read' },
  frontend: { gold: 'read' },
};

const readObjects = ['s3:GetObject'];
const writeObjects = [
  's3:GetObject',
  's3:GetObjectVersion',
  's3:PutObject',
  's3:DeleteObject',
  's3:AbortMultipartUpload',
  's3:ListMultipartUploadParts',
];
const readBucket = ['s3:ListBucket'];
const writeBucket = [...readBucket, 's3:ListBucketVersions'];
/** Knows no condition on prefixes. */
const listUploads = 's3:ListBucketMultipartUploads';

/** What setting up, auditing and finally erasing need, beyond the data. */
const adminObjects = ['s3:DeleteObjectVersion'];
const adminBucket = [
  's3:CreateBucket',
  's3:GetBucketPublicAccessBlock',
  's3:PutBucketPublicAccessBlock',
  's3:GetEncryptionConfiguration',
  's3:PutEncryptionConfiguration',
  's3:GetBucketVersioning',
  's3:PutBucketVersioning',
  's3:GetLifecycleConfiguration',
  's3:PutLifecycleConfiguration',
  's3:GetBucketPolicy',
  's3:PutBucketPolicy',
  's3:PutBucketOwnershipControls',
];

export interface PolicyStatement {
  Sid: string;
  Effect: 'Allow';
  Action: string[];
  Resource: string[];
  Condition?: Record<string, Record<string, string[]>>;
}

export interface PolicyDocument {
  Version: '2012-10-17';
  Statement: PolicyStatement[];
}

interface Place {
  layer: Layer;
  bucket: string;
  /** What the keys in the bucket begin with that one with this right needs; empty is all. */
  prefixes: Record<'read' | 'write', string[]>;
}

/** The IAM policy that gives a role its rights on the lake and no others; null without S3. */
export async function policyFor(
  role: Role,
  config: Config['lake'],
  around: LakeSurroundings,
): Promise<PolicyDocument | null> {
  const settings = s3Settings(config, await around.aws());
  const partition = partitionOf(settings.region);
  const arn = (bucket: string, key = '') => `arn:${partition}:s3:::${bucket}${key}`;
  const statements: PolicyStatement[] = [];
  const places = placesOf(config, around);
  if (places.length === 0) return null;
  for (const right of ['read', 'write'] as const) {
    const own = places.filter(({ layer }) => layerRights[role][layer] === right);
    if (own.length === 0) continue;
    const writes = right === 'write';
    const name = writes ? 'Write' : 'Read';
    const objectActions = writes ? writeObjects : readObjects;
    const objects = own.flatMap(({ bucket, prefixes }) =>
      prefixes[right].map((start) => arn(bucket, `/${start}*`)),
    );
    statements.push({
      Sid: `${name}Objects`,
      Effect: 'Allow',
      Action: role === 'admin' ? [...objectActions, ...adminObjects] : objectActions,
      Resource: unique(objects),
    });
    statements.push(...listStatements(own, { name, right, arn }));
  }
  if (role === 'admin') {
    statements.push({
      Sid: 'SetUpBuckets',
      Effect: 'Allow',
      Action: adminBucket,
      Resource: unique(places.map(({ bucket }) => arn(bucket))),
    });
  }
  const mayWrite = Object.values(layerRights[role]).includes('write');
  const { kmsKeyId, encryption, region } = settings;
  if (encryption === 'kms' && statements.length > 0) {
    statements.push({
      Sid: 'UseKey',
      Effect: 'Allow',
      Action: mayWrite ? ['kms:Decrypt', 'kms:GenerateDataKey'] : ['kms:Decrypt'],
      Resource: [keyArn(kmsKeyId, partition, region)],
      // Whatever else the key protects stays out of reach.
      Condition: { StringLike: { 'kms:ViaService': [`s3.${region}.amazonaws.com`] } },
    });
  }
  return { Version: '2012-10-17', Statement: statements };
}

/** Where a role needs a part of a bucket only, a listing is allowed for its prefixes only. */
function listStatements(
  places: readonly Place[],
  { name, right, arn }: { name: string; right: 'read' | 'write'; arn: (bucket: string) => string },
): PolicyStatement[] {
  const isWhole = ({ prefixes }: Place): boolean => prefixes[right].includes('');
  const whole = places.filter(isWhole);
  const shared = places.filter((place) => !isWhole(place));
  const writes = right === 'write';
  const statements: PolicyStatement[] = [];
  const Action = writes ? writeBucket : readBucket;
  if (writes) {
    const Resource = unique(places.map(({ bucket }) => arn(bucket)));
    statements.push({ Sid: 'ListUploads', Effect: 'Allow', Action: [listUploads], Resource });
  }
  if (whole.length > 0) {
    const Resource = unique(whole.map(({ bucket }) => arn(bucket)));
    statements.push({ Sid: `${name}Lists`, Effect: 'Allow', Action, Resource });
  }
  if (shared.length > 0) {
    const prefixes = shared.flatMap((place) => place.prefixes[right]);
    statements.push({
      Sid: `${name}ListsByPrefix`,
      Effect: 'Allow',
      Action,
      Resource: unique(shared.map(({ bucket }) => arn(bucket))),
      Condition: { StringLike: { 's3:prefix': unique(prefixes.map((prefix) => `${prefix}*`)) } },
    });
  }
  return statements;
}

function placesOf(config: Config['lake'], around: LakeSurroundings): Place[] {
  const found = lakePlaces(config, around);
  return layers.flatMap((layer): Place[] => {
    const place = found[layer];
    if (place.kind === 'local') return [];
    const { bucket, prefix, top } = place.mount;
    const system =
      layer === 'bronze' ? systemTops.map((start) => place.systemMount.prefix + start) : [];
    if (top === '') {
      const prefixes = [`${prefix}${layer}/`, ...system];
      return [{ layer, bucket, prefixes: { read: prefixes, write: prefixes } }];
    }
    // Beside batches, bronze holds what belongs to no layer: readers get no more of it than they need.
    const read = layer === 'bronze' ? [`${prefix}batch=`, ...system] : [prefix];
    return [{ layer, bucket, prefixes: { read, write: [prefix] } }];
  });
}

function keyArn(kmsKeyId: string | undefined, partition: string, region: string): string {
  if (kmsKeyId?.startsWith('arn:')) return kmsKeyId;
  const named = kmsKeyId !== undefined && !kmsKeyId.startsWith('alias/');
  return `arn:${partition}:kms:${region}:*:key/${named ? kmsKeyId : '*'}`;
}

const unique = (texts: readonly string[]): string[] => [...new Set(texts)];
