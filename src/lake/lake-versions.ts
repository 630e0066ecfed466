import type { Key } from './lake.js';

/** One version of an object, or the mark that says it was deleted. */
export interface LakeVersion {
  key: Key;
  versionId: string;
  /** 0 for a delete marker. */
  bytes: number;
  modifiedAt: Date;
  /** Whether it is what readers see (for a marker: that they see nothing). */
  latest: boolean;
  deleted: boolean;
}

/** What is needed of a version to bring it back. */
export type RestorableVersion = Pick<LakeVersion, 'key' | 'versionId' | 'bytes'>;

/** What a lake that keeps old versions of its objects can do with them. */
export interface LakeVersions {
  /** Every version of every object below `prefix`, by key, the newest of a key first. */
  list(prefix: Key): AsyncIterable<LakeVersion>;
  read(key: Key, versionId: string): Promise<Buffer>;
  /** Makes this version the present one again, as a new version. */
  restore(version: RestorableVersion): Promise<void>;
  /** Deletes these versions for good; one that is gone already is no error. */
  remove(versions: readonly Pick<LakeVersion, 'key' | 'versionId'>[]): Promise<void>;
  /**
   * What keeps a version whatever is asked of the store (object lock): until when, or a legal hold
   * without an end. Undefined where nothing does.
   */
  retention(key: Key, versionId: string): Promise<Retention | undefined>;
}

export type Retention = { until: Date } | { legalHold: true };
