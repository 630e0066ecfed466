import { setMaxListeners } from 'node:events';
import type { HeadObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import type { AwsCredentials } from '../../config/aws.js';

/** How a store is reached and used; made from the configuration by ../open.ts. */
export interface S3Settings {
  region: string;
  /** A compatible store in place of AWS. */
  endpoint: string | undefined;
  pathStyle: boolean;
  encryption: 'none' | 's3' | 'kms';
  kmsKeyId: string | undefined;
  /** How often a request is tried. */
  maxAttempts: number;
  timeoutSeconds: number;
  /** Bytes of a part of a large file. */
  partSize: number;
  /** Parts of one file that travel at once. */
  parallelism: number;
  /** From `.env`; without them the standard chain of AWS looks for some. */
  credentials: AwsCredentials | undefined;
  /** A profile of `~/.aws`, in place of the one of the environment. */
  profile: string | undefined;
}

/** How long cleaning up may take once the operator has stopped the work, in milliseconds. */
const graceMilliseconds = 1500;

type Sdk = typeof import('@aws-sdk/client-s3');

/** One client for all the buckets of a store, loaded and made at its first use. */
export class S3Connection {
  readonly settings: S3Settings;
  /** Fires when the operator stops: ends transfers. */
  readonly signal: AbortSignal;
  readonly #late = new AbortController();
  #opened: Promise<{ sdk: Sdk; client: S3Client }> | undefined;

  constructor(settings: S3Settings, signal: AbortSignal) {
    this.settings = settings;
    this.signal = signal;
    // Each request under way listens; that many are no leak.
    setMaxListeners(0, signal, this.#late.signal);
    const giveUp = () => {
      setTimeout(() => this.#late.abort(signal.reason), graceMilliseconds).unref();
    };
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
  }

  /**
   * Fires a moment after `signal`: short requests go on until then, so that uploads can be called
   * off and leases given back.
   */
  get late(): AbortSignal {
    return this.#late.signal;
  }

  open(): Promise<{ sdk: Sdk; client: S3Client }> {
    this.#opened ??= this.#open();
    return this.#opened;
  }

  /** `access key …WXYZ`, by the last four characters; undefined where there is none. */
  async credentialName(): Promise<string | undefined> {
    try {
      const { client } = await this.open();
      const { accessKeyId } = await client.config.credentials();
      return `access key …${accessKeyId.slice(-4)}`;
    } catch {
      // That there are none, or none any more, is what the caller is about to report.
      return undefined;
    }
  }

  /** Members of a write that ask for encryption at rest. */
  get encryption(): {
    ServerSideEncryption?: 'AES256' | 'aws:kms';
    SSEKMSKeyId?: string;
    BucketKeyEnabled?: boolean;
  } {
    const { encryption, kmsKeyId } = this.settings;
    if (encryption === 'none') return {};
    if (encryption === 's3') return { ServerSideEncryption: 'AES256' };
    const key = kmsKeyId === undefined ? {} : { SSEKMSKeyId: kmsKeyId };
    return { ServerSideEncryption: 'aws:kms', BucketKeyEnabled: true, ...key };
  }

  async #open(): Promise<{ sdk: Sdk; client: S3Client }> {
    const sdk = await import('@aws-sdk/client-s3');
    const { region, endpoint, pathStyle, maxAttempts, timeoutSeconds, credentials, profile } =
      this.settings;
    const milliseconds = timeoutSeconds * 1000;
    const client = new sdk.S3Client({
      region,
      forcePathStyle: pathStyle,
      maxAttempts,
      retryMode: 'adaptive',
      requestHandler: {
        connectionTimeout: Math.min(milliseconds, 10_000),
        // Of silence. A limit for whole requests would forbid large parts on slow lines.
        socketTimeout: milliseconds,
        httpAgent: { maxSockets: 64 },
        httpsAgent: { maxSockets: 64 },
      },
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(profile === undefined ? {} : { profile }),
      ...(credentials === undefined ? {} : { credentials: withoutUndefined(credentials) }),
    });
    return { sdk, client };
  }
}

function withoutUndefined({ sessionToken, ...rest }: AwsCredentials) {
  return sessionToken === undefined ? rest : { ...rest, sessionToken };
}

/** Etags travel in quotes; ours are without, and opaque. */
export const bareEtag = (etag: HeadObjectCommandOutput['ETag']): string =>
  (etag ?? '').replace(/^"|"$/g, '');

export const quotedEtag = (etag: string): string => `"${etag}"`;
