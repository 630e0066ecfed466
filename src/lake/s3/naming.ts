import { invalid } from '../../system/errors.js';
import { isKey } from '../key.js';
import type { Key } from '../lake.js';

/** Which keys of the lake lie where in which bucket. */
export interface S3Mount {
  bucket: string;
  /** What the keys in the bucket begin with: empty, or ending in a slash. */
  prefix: string;
  /** What the lake's keys begin with that is left out in the bucket: empty, or `gold/`. */
  top: string;
  /** Keys in the bucket, below `prefix`, that belong to another mount. */
  reserved?: string;
}

/** How keys of the lake and of the bucket belong together. */
export class Naming {
  readonly #mount: S3Mount;

  constructor(mount: S3Mount) {
    this.#mount = mount;
  }

  objectKey(key: Key): string {
    const { top, prefix, reserved } = this.#mount;
    const rest = key.startsWith(top) ? key.slice(top.length) : undefined;
    if (rest === undefined || (reserved !== undefined && rest.startsWith(reserved))) {
      throw invalid(
        'KEY_INVALID',
        `The key ${key} has no place in s3://${this.#mount.bucket}/${prefix}.`,
      );
    }
    return prefix + rest;
  }

  /** Undefined when no key of this mount can begin like this. */
  objectPrefix(keyPrefix: Key): string | undefined {
    const { top, prefix } = this.#mount;
    if (keyPrefix.startsWith(top)) return prefix + keyPrefix.slice(top.length);
    return top.startsWith(keyPrefix) ? prefix : undefined;
  }

  /** Undefined for what is in the bucket and no object of the lake. */
  key(objectKey: string): Key | undefined {
    const { top, prefix, reserved } = this.#mount;
    const rest = objectKey.slice(prefix.length);
    if (reserved !== undefined && rest.startsWith(reserved)) return undefined;
    const key = top + rest;
    return isKey(key) ? key : undefined;
  }
}

/** A key as a listing gives it; not every store encodes what it was asked to encode. */
export function decodeKey(text: string | undefined, encoding: string | undefined): string {
  if (text === undefined || encoding !== 'url') return text ?? '';
  // The url encoding of S3 writes a space as a plus.
  return decodeURIComponent(text.replaceAll('+', '%20'));
}
