import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { findProjectFile } from '../config/project-file.js';
import { errorCode, invalid } from '../system/errors.js';
import { describeFileError } from '../system/files.js';

/**
 * The state directory; without a wish it lies beside the project's configuration file.
 *
 * @throws USAGE_ERROR for an empty --home, which an unset variable of a script makes of it
 */
export function findHome(flag: string | undefined, variable: string | undefined, cwd: string) {
  if (flag === '') {
    throw invalid('USAGE_ERROR', '--home names no directory.', {
      hint: 'Give a directory, or leave it out for .reviewops beside the configuration.',
    });
  }
  if (flag !== undefined) return { home: resolve(cwd, flag), homeSource: 'flag --home' };
  if (variable) return { home: resolve(cwd, variable), homeSource: 'environment REVIEWOPS_HOME' };
  const file = findProjectFile(cwd);
  return {
    home: join(file === undefined ? cwd : dirname(file), '.reviewops'),
    homeSource: 'default',
  };
}

/** Throws `HOME_UNSUITABLE` (2) where a file stands in the state directory's place, or above it. */
export async function assertHome(home: string): Promise<void> {
  try {
    if ((await stat(home)).isDirectory()) return;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    if (errorCode(error) !== 'ENOTDIR') throw describeFileError(error, home);
  }
  throw invalid('HOME_UNSUITABLE', `The state directory ${home} is a file, or lies below one.`, {
    hint: 'Choose a directory with --home or REVIEWOPS_HOME, or move the file away.',
  });
}
