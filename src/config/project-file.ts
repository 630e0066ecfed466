import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const configFileName = 'reviewops.config.yaml';

/** The nearest configuration file, from the working directory upwards. */
export function findProjectFile(cwd: string): string | undefined {
  for (let directory = cwd; ; directory = dirname(directory)) {
    const path = join(directory, configFileName);
    if (existsSync(path)) return path;
    if (directory === dirname(directory)) return undefined;
  }
}
