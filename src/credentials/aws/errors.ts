import {
  errorMessage,
  failed,
  interrupted,
  isOperatorError,
  unreachable,
} from '../../system/errors.js';

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');

const statusOf = (error: unknown): number =>
  (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode ??
  0;

/** The credential is unknown, inactive, expired, or wrong; also what a new one gets at first. */
const isRejected = (error: unknown): boolean =>
  /^(InvalidClientTokenId|InvalidAccessKeyId|SignatureDoesNotMatch|UnrecognizedClient|AuthFailure|InvalidToken|ExpiredToken|TokenRefreshRequired|RequestExpired|CredentialsProviderError)/.test(
    nameOf(error),
  );

const isDenied = (error: unknown): boolean =>
  /^(AccessDenied|Forbidden|Unauthorized|NotAuthorized)/.test(nameOf(error));

/** The service was asked not to do it now; it did nothing. */
const isThrottled = (error: unknown): boolean =>
  /^(Throttl|TooManyRequests|RequestLimitExceeded|SlowDown|ServiceFailure|ServiceUnavailable)/.test(
    nameOf(error),
  ) || statusOf(error) === 429;

/** There is no such thing. */
export const isAbsent = (error: unknown): boolean =>
  /^(NoSuchEntity|ResourceNotFound|ParameterNotFound|NotFound)/.test(nameOf(error));

/**
 * What went wrong, as an operator reads it. `what` says what was tried: `List the keys of etl`.
 * A bug of ours is returned as it is.
 */
function describeAwsError(error: unknown, what: string, signal: AbortSignal): unknown {
  if (isOperatorError(error) || !(error instanceof Error)) return error;
  if (error.name === 'AbortError' || signal.aborted) {
    return isOperatorError(signal.reason)
      ? signal.reason
      : interrupted(undefined, { cause: error });
  }
  const reason = `${error.name}: ${errorMessage(error)}`;
  if (isRejected(error)) {
    return unreachable(
      'AWS_CREDENTIALS_REJECTED',
      `${what}: the credential is not accepted (${reason}).`,
      {
        hint: '`aws sts get-caller-identity` must answer with the same credential; put a valid one into .env.',
        cause: error,
      },
    );
  }
  if (isDenied(error)) {
    return failed('AWS_ACCESS_DENIED', `${what}: not allowed (${reason}).`, {
      hint: 'The policy of the caller, a boundary or an explicit deny forbids it; docs/credentials.md names the rights that are needed.',
      cause: error,
    });
  }
  if (isThrottled(error)) {
    return unreachable('AWS_THROTTLED', `${what}: AWS asks to slow down (${reason}).`, {
      hint: 'Run it again later.',
      cause: error,
    });
  }
  if (isAbsent(error)) {
    return failed('AWS_NOT_FOUND', `${what}: ${reason}.`, {
      hint: 'Check the name and the region.',
      cause: error,
    });
  }
  if (statusOf(error) >= 500 || '$fault' in error === false) {
    const network = /ECONN|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|socket|Timeout|EHOST|ENET/i;
    if (
      statusOf(error) >= 500 ||
      network.test(`${error.name} ${errorMessage(error)} ${codeOf(error)}`)
    ) {
      return unreachable('AWS_UNREACHABLE', `${what}: no answer (${reason}).`, {
        hint: 'Check network and region, then run it again.',
        cause: error,
      });
    }
    return error;
  }
  return failed('AWS_REFUSED', `${what}: ${reason}.`, { cause: error });
}

const codeOf = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : '';

/** Runs a request; its failure is told as one of `what`. */
export async function asking<T>(
  what: string,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw describeAwsError(error, what, signal);
  }
}
