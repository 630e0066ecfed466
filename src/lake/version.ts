import { isOperatorError } from '../system/errors.js';
import type { Key, Lake } from './lake.js';

export interface ObjectVersion {
  body: Buffer;
  etag: string;
}

/** A small object's bytes with the etag that belongs to them; undefined when there is none. */
export async function readVersion(lake: Lake, key: Key): Promise<ObjectVersion | undefined> {
  for (;;) {
    const before = await lake.head(key);
    if (before === undefined) return undefined;
    const body = await readIfPresent(lake, key);
    if (body === undefined) continue;
    // Replaced between the two, the bytes may belong to either.
    const after = await lake.head(key);
    if (after?.etag === before.etag) return { body, etag: before.etag };
  }
}

async function readIfPresent(lake: Lake, key: Key): Promise<Buffer | undefined> {
  try {
    return await lake.read(key);
  } catch (error) {
    if (isOperatorError(error) && error.code === 'OBJECT_NOT_FOUND') return undefined;
    throw error;
  }
}
