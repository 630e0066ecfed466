import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Config, configSchema } from '../../src/config/schema.js';
import type { DatabaseTarget } from '../../src/database/target.js';
import { type ImportOptions, importFiles } from '../../src/import/import.js';
import type { ImportResult } from '../../src/import/job.js';
import type { ProgressEvent } from '../../src/system/progress.js';

/** A directory of files to import, and imports of them with scratch of their own. */
export interface Workshop {
  directory: string;
  events: ProgressEvent[];
  write(name: string, content: string | Buffer): Promise<string>;
  writeGzip(name: string, content: string | Buffer): Promise<string>;
  import(
    target: DatabaseTarget,
    paths: string[],
    options?: Partial<ImportOptions>,
  ): Promise<ImportResult>;
  remove(): Promise<void>;
}

export async function makeWorkshop(config: Config = configSchema.parse({})): Promise<Workshop> {
  const directory = await mkdtemp(join(tmpdir(), 'import-'));
  const events: ProgressEvent[] = [];
  const write = async (name: string, content: string | Buffer): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, content);
    return path;
  };
  return {
    directory,
    events,
    write,
    writeGzip: (name, content) => write(name, gzipSync(content)),
    import: async (target, paths, options = {}) => {
      const scratch = await mkdtemp(join(directory, 'scratch-'));
      try {
        return await importFiles({
          target,
          config,
          context: {
            report: (event) => events.push(event),
            signal: new AbortController().signal,
            now: () => new Date(),
          },
          scratch,
          rejectsDirectory: join(directory, 'rejects'),
          paths,
          ...options,
        });
      } finally {
        await rm(scratch, { recursive: true });
      }
    },
    remove: () => rm(directory, { recursive: true }),
  };
}
