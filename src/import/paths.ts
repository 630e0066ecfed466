import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, invalid } from '../system/errors.js';
import { describeFileError } from '../system/files.js';

const importable = /\.(csv|tsv|txt|json|jsonl|ndjson)(\.gz)?$/i;

/** Files of the paths; a directory stands for the importable files in it, by name. */
export async function expandPaths(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    try {
      if (!(await stat(path)).isDirectory()) {
        files.push(path);
        continue;
      }
      const entries = await readdir(path, { withFileTypes: true });
      const found = entries
        .filter((entry) => !entry.isDirectory() && importable.test(entry.name))
        .map((entry) => join(path, entry.name))
        .sort();
      if (found.length === 0) {
        throw invalid('IMPORT_DIRECTORY_EMPTY', `${path} holds no file to import.`, {
          hint: 'Import reads .csv, .tsv, .txt, .json, .jsonl and .ndjson, plain or with .gz.',
        });
      }
      files.push(...found);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw describeFileError(error, path);
      throw invalid('IMPORT_FILE_NOT_FOUND', `There is no file ${path}.`, {
        hint: 'Check the path; give files or a directory of files.',
        cause: error,
      });
    }
  }
  return [...new Set(files)];
}
