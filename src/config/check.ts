import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode, invalid, isOperatorError } from '../system/errors.js';
import { describeFileError } from '../system/files.js';
import { readEnvironment } from './environment.js';
import { combine, type LoadedConfig, profileNames, readConfigFiles } from './load.js';
import type { Config } from './schema.js';

export interface CheckOptions {
  cwd: string;
  environment: NodeJS.ProcessEnv;
  file: string | undefined;
  /** Where the lake is when no profile says. */
  defaultLake: string;
  /** Throws when the weights of the score do not add up. */
  checkWeights(score: Config['pipeline']['score']): unknown;
}

export interface CheckedProfiles {
  profiles: { name: string; lake: string }[];
  findings: { profile: string; message: string; hint: string | null }[];
}

/**
 * Checks every profile as it would be in force. A mistake throws (exit 2), naming the profile;
 * what is valid but cannot work on this machine is a finding.
 */
export async function checkProfiles(options: CheckOptions): Promise<CheckedProfiles> {
  const files = await readConfigFiles(options);
  // The command has loaded the configuration once already: its warnings have been given.
  const quiet = { warn: () => undefined };
  const lookup = await readEnvironment({ ...options, ...quiet, configFile: files.project?.path });
  const checked: CheckedProfiles = { profiles: [], findings: [] };
  for (const name of profileNames(files)) {
    const loaded = combine(files, lookup, { ...options, ...quiet, profile: name });
    const { config } = loaded;
    checkWeights(loaded, options);
    const { kind, s3, path = options.defaultLake, layers } = config.lake;
    const bucket = s3.bucket.replaceAll('{env}', s3.env ?? name);
    checked.profiles.push({ name, lake: kind === 's3' ? `s3://${bucket}` : path });
    const directories = Object.values(layers)
      .filter((layer) => (layer.kind ?? kind) === 'local')
      .map((layer) => layer.path ?? path);
    for (const directory of new Set(directories)) {
      const finding = await lakeFinding(directory);
      if (finding !== undefined) checked.findings.push({ profile: name, ...finding });
    }
  }
  return checked;
}

function checkWeights({ config, profile, origins }: LoadedConfig, options: CheckOptions): void {
  try {
    options.checkWeights(config.pipeline.score);
  } catch (error) {
    if (!isOperatorError(error)) throw error;
    const places = origins
      .filter(({ key, source }) => key.startsWith('pipeline.score.') && source !== 'default')
      .map(({ key, source }) => `\n  ${source}: ${key}`);
    throw invalid(error.code, `Profile ${profile}: ${error.message}${places.join('')}`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
  }
}

/** Whether the directory, or the nearest one above that exists, can be written. */
async function lakeFinding(
  path: string,
): Promise<{ message: string; hint: string | null } | undefined> {
  for (let directory = path; ; directory = dirname(directory)) {
    try {
      await access(directory, constants.W_OK | constants.X_OK);
      return undefined;
    } catch (error) {
      if (errorCode(error) === 'ENOENT' && directory !== dirname(directory)) continue;
      if (errorCode(error) === 'ENOTDIR') {
        return {
          message: `The lake cannot be at ${path}: a part of that path is a file.`,
          hint: 'Choose another lake.path.',
        };
      }
      const described = describeFileError(error, directory);
      if (!isOperatorError(described)) throw described;
      return { message: described.message, hint: described.hint ?? null };
    }
  }
}
