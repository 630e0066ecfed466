import { invalid } from '../system/errors.js';
import type { Key } from './lake.js';

/** What one file system name and one S3 key can hold, in bytes of UTF-8. */
const maxSegmentBytes = 255;
const maxKeyBytes = 1024;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
const control = /[\u0000-\u001f\u007f]/;

const loneSurrogate = /\p{Surrogate}/u;

const segmentProblem = (segment: string): string | undefined => {
  if (segment === '') return 'has an empty part';
  if (segment === '.' || segment === '..') return 'leaves its directory';
  // Names that begin with a dot are the store's own (and the operating system's: .DS_Store).
  if (segment.startsWith('.')) return 'has a part that begins with a dot';
  if (Buffer.byteLength(segment) > maxSegmentBytes)
    return `has a part of more than ${maxSegmentBytes} bytes`;
  return undefined;
};

const problem = (key: string): string | undefined => {
  if (control.test(key)) return 'holds a control character';
  if (loneSurrogate.test(key)) return 'is not valid Unicode';
  if (Buffer.byteLength(key) > maxKeyBytes) return `is longer than ${maxKeyBytes} bytes`;
  for (const segment of key.split('/')) {
    const found = segmentProblem(segment);
    if (found !== undefined) return found;
  }
  return undefined;
};

const refuse = (what: string, key: string, why: string) =>
  invalid('KEY_INVALID', `The ${what} ${JSON.stringify(key.slice(0, 200))} ${why}.`, {
    hint: 'Keys are relative paths such as gold/batch=20260131_235959/manifest.json.',
  });

/** The key itself, or `KEY_INVALID`: the same rule for every kind of lake. */
export function checkKey(key: string): Key {
  const found = problem(key);
  if (found === undefined) return key;
  throw refuse('lake key', key, found);
}

export const isKey = (text: string): boolean => problem(text) === undefined;

/** The prefix itself, or `KEY_INVALID`. Empty, or the beginning of a valid key. */
export function checkPrefix(prefix: string): Key {
  if (prefix === '') return prefix;
  // A prefix may end anywhere, also behind a slash: completed by one letter it has to be a key.
  const found = problem(`${prefix}x`);
  if (found === undefined) return prefix;
  throw refuse('lake prefix', prefix, found);
}

const surrogate = /[\ud800-\udfff]/;

/** Order of the keys' UTF-8 bytes, which is how object stores list. */
export function compareKeys(a: Key, b: Key): number {
  if (a === b) return 0;
  // UTF-16 order differs from byte order only where surrogates take part.
  if (surrogate.test(a) || surrogate.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : 1;
}
