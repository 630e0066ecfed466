import type { ListObjectVersionsCommandOutput } from '@aws-sdk/client-s3';
import { failed } from '../../system/errors.js';
import { checkPrefix, compareKeys } from '../key.js';
import type { Key } from '../lake.js';
import type { LakeVersion, LakeVersions, RestorableVersion, Retention } from '../lake-versions.js';
import type { Bucket } from './bucket.js';
import { copyVersion } from './copy.js';
import { openObject } from './download.js';
import { isMissing } from './errors.js';
import { decodeKey, type Naming } from './naming.js';
import { removeObjects } from './remove.js';

export class S3Versions implements LakeVersions {
  readonly #bucket: Bucket;
  readonly #naming: Naming;

  constructor(bucket: Bucket, naming: Naming) {
    this.#bucket = bucket;
    this.#naming = naming;
  }

  async *list(prefix: Key): AsyncGenerator<LakeVersion> {
    const objectPrefix = this.#naming.objectPrefix(checkPrefix(prefix));
    if (objectPrefix === undefined) return;
    let next: Marker | undefined = {};
    while (next !== undefined) {
      const page: ListObjectVersionsCommandOutput = await this.#page(objectPrefix, next);
      yield* this.#versionsOf(page);
      next = markerOf(page);
    }
  }

  read(key: Key, versionId: string): Promise<Buffer> {
    const objectKey = this.#naming.objectKey(key);
    return this.#bucket.guard(objectKey, async () => {
      const chunks: Buffer[] = [];
      try {
        const { chunks: body } = await openObject(this.#bucket, objectKey, versionId);
        for await (const chunk of body) chunks.push(chunk);
      } catch (error) {
        throw isMissing(error) ? this.#gone(objectKey, versionId) : error;
      }
      return Buffer.concat(chunks);
    });
  }

  restore({ key, versionId, bytes }: RestorableVersion): Promise<void> {
    const objectKey = this.#naming.objectKey(key);
    return this.#bucket.guard(objectKey, async () => {
      try {
        await copyVersion(this.#bucket, { objectKey, versionId, bytes });
      } catch (error) {
        throw isMissing(error) ? this.#gone(objectKey, versionId) : error;
      }
    });
  }

  remove(versions: readonly Pick<LakeVersion, 'key' | 'versionId'>[]): Promise<void> {
    const removals = versions.map(({ key, versionId }) => ({
      objectKey: this.#naming.objectKey(key),
      versionId,
    }));
    return removeObjects(this.#bucket, removals);
  }

  retention(key: Key, versionId: string): Promise<Retention | undefined> {
    const objectKey = this.#naming.objectKey(key);
    return this.#bucket.guard(objectKey, async () => {
      const found = await this.#bucket.send(({ client, sdk, options }) =>
        client.send(
          new sdk.HeadObjectCommand({
            Bucket: this.#bucket.name,
            Key: objectKey,
            VersionId: versionId,
          }),
          options,
        ),
      );
      if (found.ObjectLockLegalHoldStatus === 'ON') return { legalHold: true };
      const until = found.ObjectLockRetainUntilDate;
      return until === undefined || until <= new Date() ? undefined : { until };
    });
  }

  #gone(objectKey: string, versionId: string) {
    return failed(
      'VERSION_NOT_FOUND',
      `${this.#bucket.describe(objectKey)} has no version ${versionId} any more.`,
      { hint: 'Look at the versions again; a lifecycle rule may have removed it.' },
    );
  }

  #page(prefix: string, next: Marker): Promise<ListObjectVersionsCommandOutput> {
    return this.#bucket.guard(undefined, () =>
      this.#bucket.send(({ client, sdk, options }) =>
        client.send(
          new sdk.ListObjectVersionsCommand({
            Bucket: this.#bucket.name,
            Prefix: prefix,
            EncodingType: 'url',
            ...next,
          }),
          options,
        ),
      ),
    );
  }

  /** One page as one list: the store lists versions and delete markers apart. */
  *#versionsOf({ Versions, DeleteMarkers, EncodingType }: ListObjectVersionsCommandOutput) {
    const versions = (Versions ?? []).map((entry) => ({ ...entry, deleted: false }));
    const markers = (DeleteMarkers ?? []).map((entry) => ({ ...entry, Size: 0, deleted: true }));
    const found: LakeVersion[] = [];
    for (const { Key: encoded, VersionId, Size, LastModified, IsLatest, deleted } of [
      ...versions,
      ...markers,
    ]) {
      const key = this.#naming.key(decodeKey(encoded, EncodingType));
      if (key === undefined) continue;
      found.push({
        key,
        versionId: VersionId ?? 'null',
        bytes: Size ?? 0,
        modifiedAt: LastModified ?? new Date(0),
        latest: IsLatest === true,
        deleted,
      });
    }
    yield* found.sort(
      (a, b) =>
        compareKeys(a.key, b.key) ||
        Number(b.latest) - Number(a.latest) ||
        b.modifiedAt.getTime() - a.modifiedAt.getTime(),
    );
  }
}

interface Marker {
  KeyMarker?: string;
  VersionIdMarker?: string;
}

function markerOf(page: ListObjectVersionsCommandOutput): Marker | undefined {
  const { IsTruncated, NextKeyMarker, NextVersionIdMarker, EncodingType } = page;
  if (IsTruncated !== true || NextKeyMarker === undefined) return undefined;
  return {
    KeyMarker: decodeKey(NextKeyMarker, EncodingType),
    ...(NextVersionIdMarker === undefined ? {} : { VersionIdMarker: NextVersionIdMarker }),
  };
}
