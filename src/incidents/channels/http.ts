import { errorMessage } from '../../system/errors.js';

/**
 * A message that was not taken. Neither text nor cause holds the address, which is a secret where
 * it lets anyone post (Slack).
 */
export class SendFailure extends Error {
  override readonly name = 'SendFailure';
  constructor(
    message: string,
    /** Whether trying again can help. */
    readonly permanent: boolean,
    /** Seconds that the receiver asks us to wait. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

export interface Request {
  url: string;
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH';
  headers?: Record<string, string>;
  body?: object;
  signal: AbortSignal;
}

/** How long a receiver may take to answer, in milliseconds. */
const timeoutMilliseconds = 5_000;

/** Longer answers are not read. */
const longestAnswer = 1_000_000;

/**
 * Sends JSON and gives the answer's text. Follows no redirection: a token is not for another host.
 *
 * @throws SendFailure
 */
export async function request({
  url,
  method = 'POST',
  headers = {},
  body,
  signal,
}: Request): Promise<string> {
  const limit = AbortSignal.timeout(timeoutMilliseconds);
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method,
      redirect: 'error',
      headers: {
        accept: 'application/json',
        'user-agent': 'reviewops',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any([signal, limit]),
    });
    text = (await response.text()).slice(0, longestAnswer);
  } catch (error) {
    if (limit.aborted) throw new SendFailure('no answer in time', false);
    throw new SendFailure(`no connection: ${causeOf(error)}`, false);
  }
  if (response.ok) return text;
  const again = response.status === 429 || response.status === 408 || response.status >= 500;
  throw new SendFailure(
    `answered ${response.status}${excerpt(text)}`,
    !again,
    secondsOf(response.headers.get('retry-after')),
  );
}

/** The answer as JSON. @throws SendFailure */
export async function requestJson<T>(options: Request): Promise<T> {
  const text = await request(options);
  try {
    return JSON.parse(text === '' ? '{}' : text) as T;
  } catch {
    // A proxy in between, mostly.
    throw new SendFailure('answered something that is not JSON', false);
  }
}

/** What fetch says is "fetch failed"; the reason is inside. */
const causeOf = (error: unknown): string => {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
  return code ?? (cause instanceof Error ? cause.name : (errorMessage(error).split(':')[0] ?? ''));
};

const excerpt = (text: string): string => {
  const line = text.replace(/\s+/g, ' ').trim().slice(0, 200);
  return line === '' ? '' : `: ${line}`;
};

function secondsOf(header: string | null): number | null {
  if (header === null) return null;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds);
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, (date - Date.now()) / 1000);
}
