import { type AwsAccess, type AwsKey, accessAs, accessFrom } from '../../credentials/aws/access.js';
import { presentKey } from '../../credentials/aws/identity.js';
import { readRotation, type Values } from '../../credentials/record.js';
import type { AnyContext } from './context.js';
import { hide } from './secrets.js';

const defaultRegion = 'eu-west-3';

/** The key as sinks hold it. */
export const keyOf = (values: Values): AwsKey => ({
  accessKeyId: values.AWS_ACCESS_KEY_ID ?? '',
  secretAccessKey: values.AWS_SECRET_ACCESS_KEY ?? '',
});

export const valuesOf = ({ accessKeyId, secretAccessKey }: AwsKey): Values => ({
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
});

/** How AWS is reached, with the credentials that the environment names. */
export async function ownAccess(context: AnyContext): Promise<AwsAccess> {
  const { services, signal } = context;
  const { lookup } = await services.surroundings();
  const { s3 } = services.config.lake;
  const access = accessFrom({
    lookup,
    region:
      s3.region ?? (lookup('AWS_REGION') ?? lookup('AWS_DEFAULT_REGION'))?.value ?? defaultRegion,
    maxAttempts: s3.maxAttempts,
    timeoutSeconds: s3.timeoutSeconds,
    signal,
  });
  if (access.key !== undefined) hide(context, access.key.secretAccessKey);
  return access;
}

/**
 * The same; but once sinks hand out a new key of our own, with that one: an environment that still
 * has the old one would make it look as if somebody used it, and lose access when it is revoked.
 */
export async function awsAccess(context: AnyContext): Promise<AwsAccess> {
  const access = await ownAccess(context);
  const { home } = context.services;
  const rotation = await readRotation(home, 'aws', (value) => hide(context, value));
  if (rotation?.fresh === undefined || rotation.moments.cutOver === undefined) return access;
  const id = access.key?.accessKeyId ?? (await presentKey(access))?.accessKeyId;
  return id === rotation.from ? accessAs(access, keyOf(rotation.fresh)) : access;
}
