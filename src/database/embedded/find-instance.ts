import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../system/errors.js';
import { type Account, ownerAccount } from './account.js';
import { directoriesFor } from './orphans.js';

/** An instance that is there, whatever was noted of it. */
export interface FoundInstance {
  instance: string;
  outside?: string;
  account: Account | null;
}

/**
 * Finds the instance of a state directory without its record: in `directory`, the server's part of
 * it, or in one of ours outside. An instance is complete or not there (initialise.ts).
 */
export async function findInstance(
  home: string,
  directory: string,
): Promise<FoundInstance | undefined> {
  const places = [
    { instance: join(directory, 'instance') },
    ...(await directoriesFor(home)).map((outside) => ({
      outside,
      instance: join(outside, 'instance'),
    })),
  ];
  for (const place of places) {
    const uid = await ownerOf(place.instance);
    if (uid !== undefined) return { ...place, account: await ownerAccount(uid) };
  }
  return undefined;
}

async function ownerOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).uid;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}
