import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../system/errors.js';
import { describeFileError } from '../../system/files.js';
import type { Runbook } from '../engine/definition.js';

export interface UserRunbooks {
  runbooks: Runbook[];
  /** What is wrong in files that were left out: `path:line:column: what`. */
  problems: string[];
}

/** Reads the operator's own runbooks; `taken` are the ids of the built-in ones. */
export async function loadUserRunbooks(
  directory: string,
  taken: ReadonlySet<string>,
): Promise<UserRunbooks> {
  const names = await yamlFiles(directory);
  const loaded: UserRunbooks = { runbooks: [], problems: [] };
  if (names.length === 0) return loaded;
  const { parseRunbook } = await import('./parse.js');
  const ids = new Map<string, string>([...taken].map((id) => [id, 'a built-in one']));
  for (const name of names) {
    const path = join(directory, name);
    const { runbook, problems } = parseRunbook(path, await readFile(path, 'utf8'));
    loaded.problems.push(...problems);
    if (runbook === undefined) continue;
    const other = ids.get(runbook.id);
    if (other === undefined) {
      ids.set(runbook.id, path);
      loaded.runbooks.push(runbook);
    } else {
      loaded.problems.push(`${path}:1:1: the id ${runbook.id} is that of ${other}, too`);
    }
  }
  return loaded;
}

async function yamlFiles(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((name) => /\.ya?ml$/.test(name)).sort();
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return [];
    throw describeFileError(error, directory);
  }
}
