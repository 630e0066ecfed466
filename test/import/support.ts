import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Config, configSchema } from '../../src/config/schema.js';
import type { DatabaseClient } from '../../src/database/client.js';
import { type ImportOptions, importFiles } from '../../src/import/import.js';
import type { ImportResult } from '../../src/import/job.js';
import type { ProgressEvent } from '../../src/system/progress.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

/** A directory of files to import, a database to import them into, and scratch for each import. */
export interface Workshop {
  directory: string;
  database: TestDatabase;
  client: DatabaseClient;
  events: ProgressEvent[];
  write(name: string, content: string | Buffer): Promise<string>;
  writeGzip(name: string, content: string | Buffer): Promise<string>;
  import(paths: string[], options?: Partial<ImportOptions>): Promise<ImportResult>;
  remove(): Promise<void>;
}

export async function makeWorkshop(
  options: { config?: Config; emptyDatabase?: boolean } = {},
): Promise<Workshop> {
  const { config = configSchema.parse({}), emptyDatabase: empty = false } = options;
  const database = await createTestDatabase({ empty });
  const directory = await mkdtemp(join(tmpdir(), 'import-'));
  const events: ProgressEvent[] = [];
  const write = async (name: string, content: string | Buffer): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, content);
    return path;
  };
  return {
    directory,
    database,
    client: await database.client(),
    events,
    write,
    writeGzip: (name, content) => write(name, gzipSync(content)),
    import: async (paths, options = {}) => {
      const scratch = await mkdtemp(join(directory, 'scratch-'));
      try {
        return await importFiles({
          target: database.target,
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
    remove: async () => {
      await database.drop();
      await rm(directory, { recursive: true });
    },
  };
}
