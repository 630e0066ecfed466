import type { S3Settings } from '../lake/s3/connection.js';
import { errorMessage, interrupted, type OperatorError, unreachable } from '../system/errors.js';

/** Whom AWS takes the holder of our credentials for. */
export interface CallerIdentity {
  account: string;
  /** Of the user, or of the role that was assumed. */
  arn: string;
}

/** The answers of STS to credentials that are wrong, by what a person does about each. */
const rejections: readonly [RegExp, string, string][] = [
  [
    /^(ExpiredToken|TokenRefreshRequired|RequestExpired)/,
    'LAKE_CREDENTIALS_EXPIRED',
    'has expired',
  ],
  [
    /^(InvalidClientTokenId|InvalidAccessKeyId|SignatureDoesNotMatch|UnrecognizedClient|InvalidToken)/,
    'LAKE_CREDENTIALS_INVALID',
    'is rejected',
  ],
  [/^(CredentialsProviderError|ProviderError)/, 'LAKE_CREDENTIALS_MISSING', 'is not to be found'],
];

/**
 * Asks STS who we are: the one question that every valid credential may ask, whatever its rights.
 *
 * @throws LAKE_CREDENTIALS_EXPIRED, LAKE_CREDENTIALS_INVALID, LAKE_CREDENTIALS_MISSING;
 * IDENTITY_UNKNOWN where nobody answers, or a compatible store has no STS (all exit 5)
 */
export async function callerIdentity(
  settings: Pick<S3Settings, 'region' | 'endpoint' | 'credentials' | 'profile' | 'timeoutSeconds'>,
  signal: AbortSignal,
): Promise<CallerIdentity> {
  const { STSClient, GetCallerIdentityCommand } = await import('@aws-sdk/client-sts');
  const { region, endpoint, credentials, profile, timeoutSeconds } = settings;
  const milliseconds = timeoutSeconds * 1000;
  const client = new STSClient({
    region,
    // A question about trouble that lasts: more attempts only take time.
    maxAttempts: 2,
    requestHandler: {
      connectionTimeout: Math.min(milliseconds, 10_000),
      socketTimeout: milliseconds,
    },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(profile === undefined ? {} : { profile }),
    ...(credentials === undefined
      ? {}
      : {
          credentials: {
            accessKeyId: credentials.accessKeyId,
            secretAccessKey: credentials.secretAccessKey,
            ...(credentials.sessionToken === undefined
              ? {}
              : { sessionToken: credentials.sessionToken }),
          },
        }),
  });
  try {
    const { Account, Arn } = await client.send(new GetCallerIdentityCommand({}), {
      abortSignal: signal,
    });
    if (Account === undefined || Arn === undefined) throw new Error('the answer names nobody');
    return { account: Account, arn: Arn };
  } catch (error) {
    if (signal.aborted) throw interrupted(undefined, { cause: error });
    throw explain(error, endpoint ?? `STS in ${region}`);
  } finally {
    client.destroy();
  }
}

function explain(error: unknown, where: string): OperatorError {
  const name = error instanceof Error ? error.name : '';
  const found = rejections.find(([pattern]) => pattern.test(name));
  if (found !== undefined) {
    const [, code, what] = found;
    return unreachable(code, `The credential of AWS ${what} (${where}: ${name}).`, {
      hint: 'Run `aws sts get-caller-identity` with the same credential, and put a valid one into .env.',
      cause: error,
    });
  }
  return unreachable(
    'IDENTITY_UNKNOWN',
    `${where} does not say who we are: ${errorMessage(error)}.`,
    {
      hint: 'A store that is not of AWS need not have STS; the other checks tell what works.',
      cause: error,
    },
  );
}
