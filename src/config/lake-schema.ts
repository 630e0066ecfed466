import { z } from 'zod';

/** The part of the configuration that says where the lake lives; see schema.ts. */

export const sizeText = z
  .string()
  .regex(/^\d+(\.\d+)?\s*(kB|MB|GB|KiB|MiB|GiB)$/, 'a size such as 512MB or 2GB')
  .meta({ description: 'A size with its unit.', examples: ['512MB', '2GB'] });

const kind = z.enum(['local', 's3']);

const bucket = z
  .string()
  .regex(
    /^([a-z0-9.-]|\{env\}|\{layer\})+$/,
    'a bucket name of lower-case letters, digits, dots and hyphens, with {env} and {layer} where it differs',
  );

const layerPlace = z
  .strictObject({
    kind: kind.optional().describe('Where this layer lives; default: lake.kind.'),
    path: z
      .string()
      .min(1)
      .optional()
      .describe('Directory of a local lake for this layer; default: lake.path.'),
    bucket: bucket.optional().describe('Bucket of this layer on S3; default: lake.s3.bucket.'),
  })
  .prefault({});

const s3 = z.strictObject({
  bucket: bucket
    .default('amazon-industry-insights-{env}-{layer}-euw3')
    .describe(
      'Name of the buckets: {layer} stands for raw, bronze, silver or gold, {env} for the environment. Without {layer} one bucket holds all layers.',
    ),
  env: z
    .string()
    .regex(/^[a-z0-9-]+$/, 'lower-case letters, digits and hyphens')
    .optional()
    .describe('What {env} in the name of a bucket stands for; default: the profile.'),
  prefix: z
    .string()
    .regex(/^[^/].*[^/]$|^[^/]?$/s, 'a path without a slash at its beginning or end')
    .default('')
    .describe('A path in the bucket below which everything lies; empty for the top.'),
  region: z
    .string()
    .regex(/^[a-z0-9-]+$/, 'a region such as eu-west-3')
    .optional()
    .describe('Region of the buckets; default: AWS_REGION, else eu-west-3.'),
  endpoint: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      'A compatible store in place of AWS; default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL.',
    ),
  pathStyle: z
    .boolean()
    .optional()
    .describe(
      'Whether the bucket stands in the path of URLs and not in the host; default: only with an endpoint of your own.',
    ),
  encryption: z
    .enum(['none', 's3', 'kms'])
    .default('s3')
    .describe(
      'Encryption at rest that is asked for with each object: none leaves it to the bucket, s3 takes keys of S3, kms a key of KMS.',
    ),
  kmsKeyId: z
    .string()
    .min(1)
    .optional()
    .describe('Id, alias or ARN of the KMS key; default: the account’s key for S3.'),
  maxAttempts: z
    .int()
    .min(1)
    .max(20)
    .default(5)
    .describe('How often a request is tried before it has failed.'),
  timeoutSeconds: z
    .number()
    .positive()
    .default(30)
    .describe('How long the store may stay silent before a request counts as failed.'),
  partSize: sizeText
    .default('8MiB')
    .describe('Size of the parts in which large files travel, at least 5MiB.'),
  parallelism: z
    .int()
    .min(1)
    .max(32)
    .default(4)
    .describe('Parts of one file that travel at once; each is held in memory.'),
  archiveAfterDays: z
    .int()
    .min(0)
    .default(0)
    .describe('Age at which `lake init` has batches moved to archiveClass; 0 is never.'),
  archiveClass: z
    .enum(['GLACIER_IR', 'GLACIER', 'DEEP_ARCHIVE'])
    .default('GLACIER_IR')
    .describe(
      'Storage class of archived batches. GLACIER_IR stays readable; the others have to be restored first.',
    ),
});

export const lakeSchema = z.strictObject({
  kind: kind.default('local').describe('Where the lake lives.'),
  path: z
    .string()
    .min(1)
    .optional()
    .describe('Directory of a local lake; default: data in the state directory.'),
  budget: sizeText
    .optional()
    .describe('Space the lake may take; `lake usage` shows the share that is used.'),
  s3: s3.prefault({}),
  layers: z
    .strictObject({ raw: layerPlace, bronze: layerPlace, silver: layerPlace, gold: layerPlace })
    .prefault({}),
});
