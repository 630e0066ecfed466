import type { S3Client } from '@aws-sdk/client-s3';
import { interrupted, isOperatorError } from '../../system/errors.js';
import type { S3Connection } from './connection.js';
import {
  describeS3Error,
  isMissing,
  isUnexplained,
  placeText,
  type S3Place,
  statusOf,
} from './errors.js';

/** What the work of one request is given. */
export interface Request {
  sdk: typeof import('@aws-sdk/client-s3');
  client: S3Client;
  /** To hand to `client.send`. */
  options: { abortSignal: AbortSignal };
}

/** One bucket: sends requests, and turns their errors into those of the operator. */
export class Bucket {
  readonly name: string;
  readonly connection: S3Connection;
  #proven = false;

  constructor(name: string, connection: S3Connection) {
    this.name = name;
    this.connection = connection;
  }

  /** For messages. */
  place(objectKey?: string): S3Place {
    return { bucket: this.name, objectKey };
  }

  describe(objectKey?: string): string {
    return placeText(this.place(objectKey));
  }

  /** Sends requests; their errors are the SDK's. A short one goes on for a moment after Ctrl-C. */
  send<T>(work: (request: Request) => Promise<T>): Promise<T> {
    return this.#perform(work, this.connection.late);
  }

  /** Sends requests that move data; they end at once with Ctrl-C. */
  transfer<T>(work: (request: Request) => Promise<T>): Promise<T> {
    return this.#perform(work, this.connection.signal);
  }

  async #perform<T>(work: (request: Request) => Promise<T>, signal: AbortSignal): Promise<T> {
    const { sdk, client } = await this.connection.open();
    // Between two attempts the SDK waits without listening to the signal.
    const result = await untilAborted(
      work({ sdk, client, options: { abortSignal: signal } }),
      signal,
    );
    this.#proven = true;
    return result;
  }

  /** Runs `work`; what it throws becomes an OperatorError about this object. */
  async guard<T>(objectKey: string | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw await this.explain(error, objectKey);
    }
  }

  /** The OperatorError for what a request about this object threw. */
  async explain(error: unknown, objectKey?: string): Promise<unknown> {
    if (isOperatorError(error)) return error;
    const cause = isUnexplained(error) ? await this.#reason(error, objectKey) : error;
    return describeS3Error(cause, this.place(objectKey), this.connection);
  }

  /**
   * Whether `error` means that the object is not there. S3 tells so only whom it lets list; else it
   * answers 403, also where a policy allows a part of the bucket: then the list itself is asked.
   */
  async isAbsent(error: unknown, objectKey: string): Promise<boolean> {
    if (isMissing(error)) return true;
    if (statusOf(error) !== 403) return false;
    try {
      const { Contents = [] } = await this.send((request) =>
        listOne(request, this.name, objectKey),
      );
      return Contents.every(({ Key }) => Key !== objectKey);
    } catch {
      // May not list either: the first error stands.
      return false;
    }
  }

  /**
   * Throws when the bucket does not exist. Asked only until a request has succeeded: HEAD says 404
   * for a missing object and a missing bucket alike.
   */
  async prove(objectKey = ''): Promise<void> {
    if (this.#proven) return;
    await this.guard(undefined, () =>
      this.send((request) => listOne(request, this.name, objectKey)),
    );
  }

  /** Asks again in a way that is answered with words, since the answer to HEAD is a bare status. */
  async #reason(error: unknown, objectKey = ''): Promise<unknown> {
    try {
      await this.send((request) => listOne(request, this.name, objectKey));
      return error;
    } catch (explained) {
      // Listing may be forbidden where the object's own problem is another one.
      return statusOf(explained) === statusOf(error) || !isUnexplained(explained)
        ? explained
        : error;
    }
  }
}

/** With the key as prefix, since a role may be allowed to list no more than that. */
const listOne = ({ client, sdk, options }: Request, bucket: string, prefix: string) =>
  client.send(
    new sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: 1 }),
    options,
  );

/** The outcome of `work`, or the signal's reason as soon as it fires. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(isOperatorError(signal.reason) ? signal.reason : interrupted());
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
