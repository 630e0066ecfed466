import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parse } from 'dotenv';
import { strayLines } from '../system/env-text.js';
import { errorCode } from '../system/errors.js';
import { describeFileError } from '../system/files.js';

/** A variable and where its value came from. */
export interface Variable {
  value: string;
  /** `environment NEON_DB_URL`, or the path of a `.env`. */
  source: string;
}

export interface EnvironmentOptions {
  environment: NodeJS.ProcessEnv;
  cwd: string;
  /** The configuration file in use; its directory may hold a `.env`. */
  configFile: string | undefined;
  /** The state directory, whose `.env` counts least; without it only the project's is read. */
  home?: string | undefined;
  warn(message: string): void;
}

/** Looks a variable up; an empty value counts as absent. */
export type Lookup = (name: string) => Variable | undefined;

/** A lookup that knows which names it would find. */
export type Variables = Lookup & { names: ReadonlySet<string> };

/**
 * The variables of the process, then of the `.env` beside the configuration file, in the working
 * directory, and in the state directory. Nothing is written to the process's environment.
 */
export async function readEnvironment(options: EnvironmentOptions): Promise<Variables> {
  const beside = options.configFile === undefined ? options.cwd : dirname(options.configFile);
  const directories = [beside, options.cwd, options.home].filter((path) => path !== undefined);
  const files = await Promise.all(
    [...new Set(directories)].map((directory) =>
      readEnvFile(join(directory, '.env'), options.warn),
    ),
  );
  const lookup: Lookup = (name) => {
    const own = options.environment[name];
    if (own !== undefined && own !== '') return { value: own, source: `environment ${name}` };
    for (const { path, values } of files) {
      const value = values[name];
      if (value !== undefined && value !== '') return { value, source: path };
    }
    return undefined;
  };
  const sources = [options.environment, ...files.map(({ values }) => values)];
  const names = new Set(sources.flatMap((values) => Object.keys(values)));
  return Object.assign(lookup, { names });
}

interface EnvFile {
  path: string;
  values: Record<string, string>;
}

/**
 * A `.env`, empty when there is none; warns of values that others can read, and of lines that are
 * not read. What they hold may be a secret.
 */
async function readEnvFile(path: string, warn: (message: string) => void): Promise<EnvFile> {
  try {
    const text = await readFile(path, 'utf8');
    const values = parse(text);
    for (const line of strayLines(text)) {
      warn(`${path}:${line} is no NAME=VALUE, and is not read.`);
    }
    const { mode } = await stat(path);
    if (process.platform !== 'win32' && (mode & 0o044) !== 0 && Object.keys(values).length > 0) {
      warn(`${path} can be read by other users. Run \`chmod 600 ${path}\`.`);
    }
    return { path, values };
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return { path, values: {} };
    throw describeFileError(error, path);
  }
}
