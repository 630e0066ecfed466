import type { Lookup } from '../../config/environment.js';

/** A key, or temporary credentials where there is a token. */
export interface AwsKey {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string | undefined;
}

/** How AWS is reached, and as whom. */
export interface AwsAccess {
  region: string;
  /** Undefined: whatever the standard chain of the SDK finds. */
  key: AwsKey | undefined;
  profile: string | undefined;
  /** Of a service (`IAM`), where a variable names one in place of AWS's own. */
  endpoint(service: AwsService): string | undefined;
  maxAttempts: number;
  timeoutSeconds: number;
  signal: AbortSignal;
}

export type AwsService = 'IAM' | 'STS' | 'SECRETS_MANAGER' | 'SSM';

export interface AccessOptions {
  lookup: Lookup;
  region: string;
  maxAttempts: number;
  timeoutSeconds: number;
  signal: AbortSignal;
}

/** Access with the credentials of the environment or of `.env`. */
export function accessFrom(options: AccessOptions): AwsAccess {
  const { lookup, ...rest } = options;
  const id = lookup('AWS_ACCESS_KEY_ID');
  const secret = lookup('AWS_SECRET_ACCESS_KEY');
  const token = lookup('AWS_SESSION_TOKEN');
  const ofProcess = (source: string | undefined) => source?.startsWith('environment ') === true;
  // The token of another place belongs to another key.
  const sameplace = token !== undefined && ofProcess(token.source) === ofProcess(id?.source);
  return {
    ...rest,
    key:
      id === undefined || secret === undefined
        ? undefined
        : {
            accessKeyId: id.value,
            secretAccessKey: secret.value,
            sessionToken: sameplace ? token.value : undefined,
          },
    profile: lookup('AWS_PROFILE')?.value,
    endpoint: (service) =>
      (lookup(`AWS_ENDPOINT_URL_${service}`) ?? lookup('AWS_ENDPOINT_URL'))?.value,
  };
}

/** The same as somebody else. */
export const accessAs = (access: AwsAccess, key: AwsKey): AwsAccess => ({
  ...access,
  key,
  profile: undefined,
});

/** What the constructors of the SDK's clients take. */
export function clientConfig(access: AwsAccess, service: AwsService, maxAttempts?: number) {
  const { region, key, profile, timeoutSeconds } = access;
  const endpoint = access.endpoint(service);
  const milliseconds = timeoutSeconds * 1000;
  return {
    region,
    maxAttempts: maxAttempts ?? access.maxAttempts,
    retryMode: 'adaptive',
    requestHandler: {
      connectionTimeout: Math.min(milliseconds, 10_000),
      requestTimeout: milliseconds,
      throwOnRequestTimeout: true,
      socketTimeout: milliseconds,
    },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(profile === undefined ? {} : { profile }),
    ...(key === undefined
      ? {}
      : {
          credentials: {
            accessKeyId: key.accessKeyId,
            secretAccessKey: key.secretAccessKey,
            ...(key.sessionToken === undefined ? {} : { sessionToken: key.sessionToken }),
          },
        }),
  };
}
