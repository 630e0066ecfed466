import { rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { describeFileError, syncDirectory } from '../../system/files.js';
import { passwordFile, recordFile, type ServerRecord, serverDirectory } from './record.js';

/**
 * Removes an instance and what belongs to it; the record, which knows where it is, goes last. The
 * server does not run, and the lock is held.
 */
export async function finishRemoval(home: string, record: ServerRecord): Promise<void> {
  try {
    await rm(record.instance, { recursive: true, force: true });
    // A damaged record must not make us remove somebody's directory: ours hold an `instance`.
    if (record.outside !== undefined && dirname(record.instance) === record.outside) {
      await rm(record.outside, { recursive: true, force: true });
    }
    await rm(passwordFile(home), { force: true });
    await rm(recordFile(home), { force: true });
    await syncDirectory(serverDirectory(home));
  } catch (error) {
    throw describeFileError(error, basename(record.instance));
  }
}
