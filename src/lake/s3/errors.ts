import {
  errorMessage,
  failed,
  interrupted,
  invalid,
  isOperatorError,
  type OperatorError,
  unreachable,
} from '../../system/errors.js';
import type { S3Connection } from './connection.js';

/** Where a request went, for messages. */
export interface S3Place {
  bucket: string;
  /** As the bucket holds it; absent for requests about the bucket. */
  objectKey?: string | undefined;
}

/** The parts of an SDK error that are looked at. */
interface SdkError {
  name: string;
  message: string;
  code?: string;
  $metadata?: { httpStatusCode?: number; attempts?: number };
  $response?: { headers?: Record<string, string | undefined> };
}

const isSdkError = (error: unknown): error is SdkError => error instanceof Error;

export const statusOf = (error: unknown): number | undefined =>
  isSdkError(error) ? error.$metadata?.httpStatusCode : undefined;

/** Whether the object is not there. A missing bucket is something else, where the store says so. */
export const isMissing = (error: unknown): boolean =>
  isSdkError(error) && error.name !== 'NoSuchBucket' && statusOf(error) === 404;

/** A condition did not hold, or another write of the key was under way. */
export const isPrecondition = (error: unknown): boolean =>
  isSdkError(error) &&
  (['PreconditionFailed', 'ConditionalRequestConflict'].includes(error.name) ||
    statusOf(error) === 412);

/** Answers to HEAD have no body: their errors say no more than the status. */
export const isUnexplained = (error: unknown): boolean =>
  isSdkError(error) && [301, 400, 403].includes(statusOf(error) ?? 0);

const names = {
  bucket: ['NoSuchBucket'],
  expired: ['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired', 'RequestExpired'],
  rejected: [
    'InvalidAccessKeyId',
    'SignatureDoesNotMatch',
    'InvalidToken',
    'InvalidClientTokenId',
    'UnrecognizedClientException',
  ],
  region: [
    'PermanentRedirect',
    'TemporaryRedirect',
    'AuthorizationHeaderMalformed',
    'IllegalLocationConstraintException',
    'IncorrectEndpoint',
  ],
  clock: ['RequestTimeTooSkewed'],
  denied: [
    'AccessDenied',
    'AccessDeniedException',
    'AllAccessDisabled',
    'Forbidden',
    'AccountProblem',
  ],
  throttled: [
    'SlowDown',
    'Throttling',
    'ThrottlingException',
    'ThrottledException',
    'TooManyRequests',
    'TooManyRequestsException',
    'RequestLimitExceeded',
    'BandwidthLimitExceeded',
  ],
  archived: ['InvalidObjectState'],
  tooLong: ['KeyTooLongError', 'KeyTooLong'],
  calledOff: ['NoSuchUpload'],
};

/** What a compatible store answers to requests it does not know. */
const notImplemented = 501;

const networkCodes = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'EPIPE',
  // Plain HTTP where TLS is spoken, or the other way round.
  'EPROTO',
  'UND_ERR_SOCKET',
];

/**
 * Turns what the SDK threw into an OperatorError that names the bucket, the key and the cure. Any
 * other error, a bug of ours included, is returned as it is.
 */
export async function describeS3Error(
  error: unknown,
  place: S3Place,
  connection: S3Connection,
): Promise<unknown> {
  if (isOperatorError(error) || !isSdkError(error)) return error;
  const { signal } = connection;
  if (error.name === 'AbortError' || (signal.aborted && !('$fault' in error))) {
    return isOperatorError(signal.reason)
      ? signal.reason
      : interrupted(undefined, { cause: error });
  }
  const credential = await credentialText(error, connection);
  return explain(error, place, { credential, connection });
}

interface Circumstances {
  /** `access key …WXYZ`, or words for an unknown one. */
  credential: string;
  connection: S3Connection;
}

function explain(
  error: SdkError,
  place: S3Place,
  { credential, connection }: Circumstances,
): OperatorError | unknown {
  const { settings } = connection;
  const where = placeText(place);
  const store = settings.endpoint ?? `S3 in ${settings.region}`;
  const is = (group: keyof typeof names) => names[group].includes(error.name);
  const status = statusOf(error) ?? 0;
  const options = (hint: string) => ({ hint, cause: error });

  if (isProviderError(error)) {
    if (/expired|refresh/i.test(error.message)) return expired(where, credential, error);
    return unreachable(
      'LAKE_CREDENTIALS_MISSING',
      `There are no AWS credentials for ${where}.`,
      options(
        'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (environment or .env), or AWS_PROFILE to a profile that ~/.aws has, or run where a role gives them.',
      ),
    );
  }
  if (is('expired')) return expired(where, credential, error);
  if (is('rejected')) {
    return unreachable(
      'LAKE_CREDENTIALS_INVALID',
      `${store} rejects the ${credential} for ${where}: ${error.name}.`,
      options('Check that the key is active and its secret is the right one, or set another one.'),
    );
  }
  if (is('clock')) {
    return unreachable(
      'LAKE_CLOCK_SKEW',
      `${store} refuses requests for ${where}: the clock of this machine is off by more than 15 minutes.`,
      options('Set the clock (for example `timedatectl set-ntp true`), then run it again.'),
    );
  }
  if (is('bucket')) {
    return unreachable(
      'BUCKET_NOT_FOUND',
      `There is no bucket ${place.bucket} in ${store}.`,
      options('Create it with `reviewops lake init`, or check lake.s3.bucket, env and region.'),
    );
  }
  if (is('region') || status === 301 || status === 307) {
    const actual = error.$response?.headers?.['x-amz-bucket-region'];
    const there = actual === undefined ? 'another region' : `region ${actual}`;
    return unreachable(
      'LAKE_WRONG_REGION',
      `The bucket ${place.bucket} is in ${there}, not in ${settings.region}.`,
      options(`Set lake.s3.region${actual === undefined ? '' : ` to ${actual}`}.`),
    );
  }
  if (
    is('throttled') ||
    status === 429 ||
    (status === 503 && error.name !== 'ServiceUnavailable')
  ) {
    return unreachable(
      'LAKE_THROTTLED',
      `${store} asks to slow down for ${where}, still after ${settings.maxAttempts} attempts.`,
      options('Run it again later; lower lake.s3.parallelism or raise lake.s3.maxAttempts.'),
    );
  }
  if (is('archived')) {
    return failed(
      'OBJECT_ARCHIVED',
      `${where} is archived and cannot be read as it is.`,
      options('Restore it (aws s3api restore-object), wait until that is done, then run it again.'),
    );
  }
  if (is('calledOff')) {
    return failed(
      'UPLOAD_CALLED_OFF',
      `The upload of ${where} was called off by somebody else; nothing of it is visible.`,
      options('See with `reviewops batch show` who works on the same batch, then run it again.'),
    );
  }
  if (is('tooLong')) {
    return invalid(
      'KEY_INVALID',
      `${where} is longer than 1024 bytes.`,
      options('Shorten lake.s3.prefix.'),
    );
  }
  if (error.name.startsWith('KMS')) {
    return failed(
      'LAKE_ACCESS_DENIED',
      `The KMS key for ${where} cannot be used: ${error.message}`,
      options(`Check lake.s3.kmsKeyId, and that the ${credential} may use that key.`),
    );
  }
  if (is('denied') || status === 403) {
    return failed(
      'LAKE_ACCESS_DENIED',
      `The ${credential} may not do this with ${where}.`,
      options(
        'Compare its rights with `reviewops lake policy --role ROLE`; the bucket’s own policy counts, too, and a bucket of this name may be somebody else’s (lake.s3.bucket, env).',
      ),
    );
  }
  if (isNetworkError(error) || (status >= 500 && status !== notImplemented)) {
    return unreachable(
      'LAKE_UNREACHABLE',
      `${store} cannot be reached for ${where}: ${reason(error)}.`,
      options('Check network, endpoint and region (lake.s3), then run it again.'),
    );
  }
  if (status >= 400) {
    return failed(
      'LAKE_REFUSED',
      `${store} refuses ${where}: ${error.name}: ${error.message}`,
      options('Check the settings of lake.s3; a compatible store may not know this request.'),
    );
  }
  return error;
}

const expired = (where: string, credential: string, cause: SdkError): OperatorError =>
  unreachable(
    'LAKE_CREDENTIALS_EXPIRED',
    `The ${credential} has expired; the work on ${where} was stopped.`,
    {
      hint: 'Renew the credential (for example `aws sso login`, or new AWS_* variables), then run the same command again: what is published stays, the rest is done again.',
      cause,
    },
  );

/** What was received is less, or other, than what was announced. */
export const readTruncated = (place: S3Place, detail: string, cause: unknown): OperatorError =>
  unreachable('LAKE_READ_TRUNCATED', `Reading ${placeText(place)} breaks off: ${detail}.`, {
    hint: 'Nothing was used of what arrived. Check the network, then run it again.',
    cause,
  });

export const placeText = ({ bucket, objectKey }: S3Place): string =>
  objectKey === undefined ? `the bucket ${bucket}` : `s3://${bucket}/${objectKey}`;

async function credentialText(error: SdkError, connection: S3Connection): Promise<string> {
  if (isProviderError(error)) return 'AWS credential';
  return (await connection.credentialName()) ?? 'AWS credential';
}

const isProviderError = ({ name }: SdkError): boolean =>
  ['CredentialsProviderError', 'ProviderError', 'TokenProviderError'].includes(name);

const isNetworkError = (error: SdkError): boolean =>
  networkCodes.includes(error.code ?? '') ||
  error.name === 'TimeoutError' ||
  /^(CERT_|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/.test(error.code ?? '') ||
  /socket hang up|ECONNRESET/.test(errorMessage(error));

function reason(error: SdkError): string {
  if (error.name === 'TimeoutError') return 'no answer in time';
  if (error.code === 'EPROTO') return 'it does not speak TLS (https in place of http?)';
  return error.code ?? `${error.name} (${error.message})`;
}
