import { statfs } from 'node:fs/promises';
import type { DatabaseClient } from '../database/client.js';
import type { DatabaseTarget } from '../database/target.js';
import { errorCode } from '../system/errors.js';

/** Bytes free on the disk of a database; null where that cannot be seen from here. */
export async function freeSpace(
  target: DatabaseTarget,
  client: DatabaseClient,
): Promise<number | null> {
  if (target.kind !== 'embedded') return null;
  const [row] = await client.query<{ directory: string | null }>(
    "SELECT setting AS directory FROM pg_settings WHERE name = 'data_directory'",
  );
  if (row?.directory === null || row === undefined) return null;
  try {
    const { bavail, bsize } = await statfs(row.directory);
    return bavail * bsize;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'EACCES') return null;
    throw error;
  }
}
