import { readFile } from 'node:fs/promises';
import { errorCode, invalid } from '../system/errors.js';
import { describeFileError } from '../system/files.js';
import type { ConfigDocument } from './parse-document.js';

/** Reads a file; undefined when there is none. */
export async function readDocument(path: string, cwd: string): Promise<ConfigDocument | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    if (errorCode(error) === 'EISDIR') {
      throw invalid('CONFIG_INVALID', `${path} is a directory, not a configuration file.`, {
        hint: 'Name the file with --config.',
      });
    }
    throw describeFileError(error, path);
  }
  // Slow to load, and many have no configuration file.
  const { parseConfig } = await import('./parse-document.js');
  return parseConfig(text, path, cwd);
}
