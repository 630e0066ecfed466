import { createReadStream, createWriteStream, type Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { errorCode, invalid } from '../system/errors.js';
import { describeFileError } from '../system/files.js';
import type { JobContext } from '../system/progress.js';
import type { Source } from './source.js';

const importable = /\.(csv|tsv|txt|json|jsonl|ndjson)(\.gz)?$/i;

/** What `-` stands for. */
export const standardInput = '-';

export interface SourceOptions {
  paths: readonly string[];
  /** Read where a path is `-`. */
  stdin: NodeJS.ReadableStream | undefined;
  /** Pipes are copied here: a source is read more than once. */
  scratch: string;
  context: JobContext;
}

/**
 * The sources that paths stand for: files, the importable files of a directory by name, pipes, and
 * `-` for standard input. Errors: `IMPORT_FILE_NOT_FOUND`, `IMPORT_DIRECTORY_EMPTY`,
 * `IMPORT_FILE_KIND` (a device or a socket), `PERMISSION_DENIED`.
 */
export async function findSources(options: SourceOptions): Promise<Source[]> {
  const sources: Source[] = [];
  for (const path of new Set(options.paths)) {
    const file = join(options.scratch, `input-${sources.length}`);
    if (path === standardInput) {
      if (options.stdin === undefined) throw new Error('import: no standard input was given');
      sources.push({ path: 'standard input', file: await copy(options.stdin, file, options) });
      continue;
    }
    try {
      const found = await stat(path);
      if (found.isDirectory()) {
        for (const member of await members(path)) sources.push({ path: member, file: member });
      } else if (found.isFIFO()) {
        sources.push({ path, file: await copy(createReadStream(path), file, options) });
      } else {
        assertFile(path, found);
        sources.push({ path, file: path });
      }
    } catch (error) {
      throw describePathError(error, path);
    }
  }
  return sources.filter(
    ({ path }, index) => sources.findIndex((other) => other.path === path) === index,
  );
}

async function members(directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (!importable.test(entry.name) || !(await stat(path)).isFile()) continue;
    found.push(path);
  }
  if (found.length > 0) return found.sort();
  throw invalid('IMPORT_DIRECTORY_EMPTY', `${directory} holds no file to import.`, {
    hint: 'Import reads .csv, .tsv, .txt, .json, .jsonl and .ndjson, plain or with .gz.',
  });
}

function assertFile(path: string, found: Stats): void {
  if (found.isFile()) return;
  throw invalid('IMPORT_FILE_KIND', `${path} is a device or a socket, not a file.`, {
    hint: 'Give files, directories of files, a pipe, or - for standard input.',
  });
}

async function copy(
  from: NodeJS.ReadableStream,
  file: string,
  { context }: SourceOptions,
): Promise<string> {
  try {
    await pipeline(from, createWriteStream(file, { flags: 'wx', mode: 0o600 }), {
      signal: context.signal,
    });
  } catch (error) {
    throw describeFileError(error, file);
  }
  return file;
}

function describePathError(error: unknown, path: string): unknown {
  const code = errorCode(error);
  if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'ENAMETOOLONG' && code !== 'ELOOP') {
    return describeFileError(error, path);
  }
  return invalid('IMPORT_FILE_NOT_FOUND', `There is no file ${path}.`, {
    hint: 'Check the path; give files or a directory of files.',
    cause: error,
  });
}
