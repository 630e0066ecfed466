import { stat } from 'node:fs/promises';
import { errorCode, invalid } from '../system/errors.js';
import { describeFileError, writeFileAtomic } from '../system/files.js';
import { configTemplate } from './template.js';

/**
 * Writes the commented configuration file. What stands there already is replaced only when
 * `confirm` does not throw; true when something was.
 */
export async function writeConfigFile(
  path: string,
  confirm: () => Promise<void>,
): Promise<boolean> {
  const exists = await fileExists(path);
  if (exists) await confirm();
  await writeFileAtomic(path, configTemplate());
  return exists;
}

async function fileExists(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) {
      throw invalid('CONFIG_INVALID', `${path} is a directory.`, {
        hint: 'Name the file to write with --config.',
      });
    }
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw describeFileError(error, path);
  }
}
