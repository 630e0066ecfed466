import type { Config } from './schema.js';

export interface LoadedConfig {
  config: Config;
  profile: string | undefined;
  /** The configuration file that was read; undefined when there is none. */
  file: string | undefined;
}

export interface LoadOptions {
  cwd: string;
  environment: NodeJS.ProcessEnv;
  /** `--config`. */
  file?: string | undefined;
  /** `--profile`. */
  profile?: string | undefined;
}

export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const { configSchema } = await import('./schema.js');
  return { config: configSchema.parse({}), profile: options.profile, file: options.file };
}
