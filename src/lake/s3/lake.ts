import { randomBytes } from 'node:crypto';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { isOperatorError, throwIfAborted } from '../../system/errors.js';
import { describeFileError, makeDirectory } from '../../system/files.js';
import { objectChanged, objectExists, objectNotFound } from '../errors.js';
import { checkKey, checkPrefix } from '../key.js';
import type {
  Key,
  Lake,
  LakeObject,
  LocalCopy,
  ObjectVersion,
  PutCondition,
  PutFileOptions,
} from '../lake.js';
import type { LakeVersions } from '../lake-versions.js';
import { unlinkIfPresent } from '../local-files.js';
import { Bucket } from './bucket.js';
import { bareEtag, quotedEtag, type S3Connection } from './connection.js';
import { downloadObject, ObjectReplaced, openObject } from './download.js';
import { isMissing, isPrecondition } from './errors.js';
import { decodeKey, Naming, type S3Mount } from './naming.js';
import { removeObjects } from './remove.js';
import { callOff, unfinishedUploads } from './unfinished.js';
import { ConditionFailed, putBytes, putLocalFile, type Written } from './upload.js';
import { S3Versions } from './versions.js';

/** How often something that others replace all the time is read before that is an error. */
const replacedAttempts = 5;

/**
 * A lake in a bucket of S3 or of a compatible store.
 *
 * A write is one request (or the one that completes a multipart upload), so readers see the old
 * object or the new one. Conditions are the store's own (`If-None-Match`, `If-Match`); a store
 * that ignores them cannot keep two writers apart, which `lake init` finds out.
 */
export class S3Lake implements Lake {
  readonly description: string;
  readonly versions: LakeVersions;
  readonly #bucket: Bucket;
  readonly #naming: Naming;

  constructor(mount: S3Mount, connection: S3Connection) {
    this.#naming = new Naming(mount);
    this.#bucket = new Bucket(mount.bucket, connection);
    this.description = `the lake s3://${mount.bucket}/${mount.prefix}`;
    this.versions = new S3Versions(this.#bucket, this.#naming);
  }

  async *list(prefix: Key): AsyncGenerator<LakeObject> {
    const objectPrefix = this.#naming.objectPrefix(checkPrefix(prefix));
    if (objectPrefix === undefined) return;
    let token: string | undefined;
    do {
      const page = await this.#page(objectPrefix, token);
      for (const { Key: encoded, Size, LastModified, ETag } of page.Contents ?? []) {
        const key = this.#naming.key(decodeKey(encoded, page.EncodingType));
        if (key === undefined) continue;
        yield {
          key,
          bytes: Size ?? 0,
          modifiedAt: LastModified ?? new Date(0),
          etag: bareEtag(ETag),
        };
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  head(key: Key): Promise<LakeObject | undefined> {
    return this.#guard(key, async (objectKey) => {
      try {
        const found = await this.#bucket.send(({ client, sdk, options }) =>
          client.send(
            new sdk.HeadObjectCommand({ Bucket: this.#bucket.name, Key: objectKey }),
            options,
          ),
        );
        return {
          key,
          bytes: found.ContentLength ?? 0,
          modifiedAt: found.LastModified ?? new Date(0),
          etag: bareEtag(found.ETag),
        };
      } catch (error) {
        if (!(await this.#bucket.isAbsent(error, objectKey))) throw error;
        await this.#bucket.prove(objectKey);
        return undefined;
      }
    });
  }

  async read(key: Key): Promise<Buffer> {
    const found = await this.readVersion(key);
    if (found === undefined) throw objectNotFound(this, key);
    return found.body;
  }

  readVersion(key: Key): Promise<ObjectVersion | undefined> {
    return this.#guard(key, (objectKey) =>
      this.#unlessReplaced(key, async () => {
        const chunks: Buffer[] = [];
        try {
          const object = await openObject(this.#bucket, objectKey);
          for await (const chunk of object.chunks) chunks.push(chunk);
          return { body: Buffer.concat(chunks), etag: object.etag };
        } catch (error) {
          if (await this.#bucket.isAbsent(error, objectKey)) return undefined;
          throw error;
        }
      }),
    );
  }

  openRead(key: Key): Promise<Readable> {
    return this.#guard(key, async (objectKey) => {
      try {
        const { chunks } = await openObject(this.#bucket, objectKey);
        return Readable.from(this.#explained(key, objectKey, chunks), { objectMode: false });
      } catch (error) {
        throw isMissing(error) ? objectNotFound(this, key) : error;
      }
    });
  }

  put(key: Key, body: string | Uint8Array, condition: PutCondition = {}): Promise<LakeObject> {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    return this.#write(key, condition, (objectKey) =>
      putBytes(this.#bucket, objectKey, bytes, condition),
    );
  }

  async putFile(key: Key, path: string, options: PutFileOptions = {}): Promise<LakeObject> {
    const object = await this.#write(key, options, (objectKey) =>
      putLocalFile(this.#bucket, objectKey, path, options),
    );
    if (options.keep !== true) await unlink(path);
    return object;
  }

  fetch(key: Key, scratch: string): Promise<LocalCopy> {
    return this.#guard(key, async (objectKey) => {
      await makeDirectory(scratch);
      const name = `${randomBytes(6).toString('hex')}-${key.split('/').at(-1)?.slice(-80)}`;
      const path = join(scratch, name);
      try {
        for (let attempt = 1; attempt <= replacedAttempts; attempt += 1) {
          if (await downloadObject(this.#bucket, objectKey, path)) {
            return { path, dispose: () => unlinkIfPresent(path) };
          }
        }
      } catch (error) {
        if (isMissing(error)) throw objectNotFound(this, key);
        throw describeFileError(error, path);
      }
      throw objectChanged(this, key);
    });
  }

  async remove(keys: readonly Key[]): Promise<void> {
    await removeObjects(
      this.#bucket,
      keys.map((key) => ({ objectKey: this.#naming.objectKey(checkKey(key)) })),
    );
  }

  removeIfMatch(key: Key, etag: string): Promise<boolean> {
    return this.#guard(key, async (objectKey) => {
      // The look comes first because not every store knows the condition of the delete: with one
      // that does not, a write in between would be lost.
      if ((await this.head(key))?.etag !== etag) return false;
      try {
        await this.#bucket.send(({ client, sdk, options }) =>
          client.send(
            new sdk.DeleteObjectCommand({
              Bucket: this.#bucket.name,
              Key: objectKey,
              IfMatch: quotedEtag(etag),
            }),
            options,
          ),
        );
        return true;
      } catch (error) {
        if (isPrecondition(error) || isMissing(error)) return false;
        throw error;
      }
    });
  }

  async callOffUploads(prefix: Key): Promise<void> {
    const objectPrefix = this.#naming.objectPrefix(checkPrefix(prefix));
    if (objectPrefix === undefined) return;
    try {
      await this.#bucket.guard(undefined, async () => {
        for await (const upload of unfinishedUploads(this.#bucket, objectPrefix)) {
          await callOff(this.#bucket, upload);
        }
      });
    } catch (error) {
      // The lifecycle rule of `lake init` removes them, too.
      const known = ['LAKE_ACCESS_DENIED', 'LAKE_REFUSED'];
      if (!isOperatorError(error) || !known.includes(error.code)) throw error;
    }
  }

  async *unfinishedUploads(prefix: Key): AsyncGenerator<{ key: Key; begunAt: Date }> {
    const objectPrefix = this.#naming.objectPrefix(checkPrefix(prefix));
    if (objectPrefix === undefined) return;
    try {
      for await (const upload of unfinishedUploads(this.#bucket, objectPrefix)) {
        const key = this.#naming.key(upload.objectKey);
        if (key?.startsWith(prefix)) yield { key, begunAt: upload.begunAt };
      }
    } catch (error) {
      throw await this.#bucket.explain(error, objectPrefix);
    }
  }

  async #write(
    key: Key,
    condition: PutCondition,
    write: (objectKey: string) => Promise<Written>,
  ): Promise<LakeObject> {
    return this.#guard(key, async (objectKey) => {
      try {
        const { bytes, etag } = await write(objectKey);
        return { key, bytes, modifiedAt: new Date(), etag };
      } catch (error) {
        if (!(error instanceof ConditionFailed)) throw error;
        throw condition.ifAbsent === true ? objectExists(this, key) : objectChanged(this, key);
      }
    });
  }

  #page(prefix: string, token: string | undefined): Promise<ListObjectsV2CommandOutput> {
    throwIfAborted(this.#bucket.connection.signal);
    return this.#bucket.guard(undefined, () =>
      this.#bucket.send(({ client, sdk, options }) =>
        client.send(
          new sdk.ListObjectsV2Command({
            Bucket: this.#bucket.name,
            Prefix: prefix,
            // Without it, some characters of keys cannot be told in XML.
            EncodingType: 'url',
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          options,
        ),
      ),
    );
  }

  /** Starts again while others replace what is being read. */
  async #unlessReplaced<T>(key: Key, work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof ObjectReplaced)) throw error;
        if (attempt === replacedAttempts) throw objectChanged(this, key);
      }
    }
  }

  async *#explained(
    key: Key,
    objectKey: string,
    chunks: AsyncGenerator<Buffer>,
  ): AsyncGenerator<Buffer> {
    try {
      yield* chunks;
    } catch (error) {
      if (error instanceof ObjectReplaced) throw objectChanged(this, key);
      throw await this.#bucket.explain(error, objectKey);
    }
  }

  async #guard<T>(key: Key, work: (objectKey: string) => Promise<T>): Promise<T> {
    const objectKey = this.#naming.objectKey(checkKey(key));
    return this.#bucket.guard(objectKey, () => work(objectKey));
  }
}
