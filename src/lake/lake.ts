import type { Readable } from 'node:stream';
import type { LakeVersions } from './lake-versions.js';

/** Top-level parts of a lake. Data lives in the first four; the tool keeps the other two. */
export const layers = ['raw', 'bronze', 'silver', 'gold'] as const;
export type Layer = (typeof layers)[number];
export const isLayer = (name: string): name is Layer => layers.some((layer) => layer === name);

/**
 * A path in the lake: `/`-separated, relative, the layer (or `logs`, `leases`) first, such as
 * `gold/batch=20260101_000000/manifest.json`. Only layout.ts builds them.
 */
export type Key = string;

export interface LakeObject {
  key: Key;
  bytes: number;
  /** Of what a write returns: when it ended, by the clock of this machine at worst. */
  modifiedAt: Date;
  /** Changes whenever the object is replaced by another content. Opaque; for `ifMatch`. */
  etag: string;
}

export interface PutCondition {
  /** Refuse when the key exists (`OBJECT_EXISTS`). */
  ifAbsent?: boolean;
  /** Refuse unless the object still has this etag (`OBJECT_CHANGED`). */
  ifMatch?: string;
}

export interface PutFileOptions extends PutCondition {
  /** Leave the local file where it is. */
  keep?: boolean;
}

/** A small object's bytes with the etag that belongs to them. */
export interface ObjectVersion {
  body: Buffer;
  etag: string;
}

export interface LocalCopy {
  /** A file the query engine can read. */
  path: string;
  /** Removes the file when it is a temporary copy; does nothing when it is the lake's own. */
  dispose(): Promise<void>;
}

/**
 * An object store with one contract for all its implementations (test/lake/contract.ts).
 *
 * Every write is atomic and durable: a reader sees the old object or the new one, complete, and a
 * power cut leaves one of the two. Errors are OperatorErrors that name the lake and the key:
 * `OBJECT_NOT_FOUND`, `OBJECT_EXISTS`, `OBJECT_CHANGED`, `KEY_INVALID`, `DISK_FULL`,
 * `PERMISSION_DENIED`, `LAKE_UNREACHABLE`.
 */
export interface Lake {
  /** For messages: `the local lake /srv/data`. */
  readonly description: string;
  /** Old versions of the objects; absent where the lake keeps none. */
  readonly versions?: LakeVersions;
  /** Every object whose key starts with `prefix`, in byte order of the keys, in pages inside. */
  list(prefix: Key): AsyncIterable<LakeObject>;
  /** Undefined when there is no such object. */
  head(key: Key): Promise<LakeObject | undefined>;
  /** A whole object; for small ones (manifests, leases, metrics). */
  read(key: Key): Promise<Buffer>;
  /** The same with its etag; undefined when there is no such object. */
  readVersion(key: Key): Promise<ObjectVersion | undefined>;
  openRead(key: Key): Promise<Readable>;
  put(key: Key, body: string | Uint8Array, condition?: PutCondition): Promise<LakeObject>;
  /**
   * Stores a finished local file and consumes it, unless told to keep it: afterwards the local
   * path is gone. It is still there when the put failed.
   */
  putFile(key: Key, path: string, options?: PutFileOptions): Promise<LakeObject>;
  /** Makes the object readable as a local file; temporary copies go under `scratch`. */
  fetch(key: Key, scratch: string): Promise<LocalCopy>;
  /**
   * Deletes; a key that is absent is no error. Resolves when all are gone. Unconditional: beside
   * a conditional write of the same key at the same moment either may come last.
   */
  remove(keys: readonly Key[]): Promise<void>;
  /** Deletes only while the object still has this etag; false when it changed or is gone. */
  removeIfMatch(key: Key, etag: string): Promise<boolean>;
  /**
   * Removes what writers who were killed left unseen below the prefix, where a lake has such. Only
   * for whoever may write there alone. That it is not allowed, or not known, is no error.
   */
  callOffUploads?(prefix: Key): Promise<void>;
  /** What such writers left below the prefix, and what writers are at; nobody can read it. */
  unfinishedUploads?(prefix: Key): AsyncIterable<{ key: Key; begunAt: Date }>;
}
