import { registerSecret } from '../system/redact.js';
import { readEnvironment } from './environment.js';
import type { SecretOptions } from './secrets.js';

/** What the variables say of AWS. Undefined members are left to the SDK, which has a chain of its own. */
export interface AwsEnvironment {
  /** Keys of a `.env`; those of the process's environment the SDK finds itself. */
  credentials: AwsCredentials | undefined;
  /** The profile of `~/.aws` that a `.env` names. */
  profile: string | undefined;
  region: string | undefined;
  /** Of S3. */
  endpoint: string | undefined;
}

export interface AwsCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string | undefined;
}

/** Reads the `AWS_*` variables of the environment and of `.env`. */
export async function readAwsEnvironment(
  options: Omit<SecretOptions, 'report'>,
): Promise<AwsEnvironment> {
  const lookup = await readEnvironment(options);
  const fromFile = (name: string): string | undefined => {
    const found = lookup(name);
    return found?.source.startsWith('environment ') ? undefined : found?.value;
  };
  const accessKeyId = fromFile('AWS_ACCESS_KEY_ID');
  const secretAccessKey = fromFile('AWS_SECRET_ACCESS_KEY');
  const sessionToken = fromFile('AWS_SESSION_TOKEN');
  registerSecret(secretAccessKey);
  registerSecret(sessionToken);
  return {
    credentials:
      accessKeyId === undefined || secretAccessKey === undefined
        ? undefined
        : { accessKeyId, secretAccessKey, sessionToken },
    profile: fromFile('AWS_PROFILE'),
    region: (lookup('AWS_REGION') ?? lookup('AWS_DEFAULT_REGION'))?.value,
    endpoint: (lookup('AWS_ENDPOINT_URL_S3') ?? lookup('AWS_ENDPOINT_URL'))?.value,
  };
}
