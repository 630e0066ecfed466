import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { configSchema } from '../../src/config/schema.js';
import type { DatabaseTarget } from '../../src/database/target.js';
import type { Lake } from '../../src/lake/lake.js';
import type { RunbookServices } from '../../src/runbooks/engine/definition.js';
import { testPseudonymKey, testTool } from './stage.js';

/** Where runbooks of a test work. */
export interface ServicesOf {
  root: string;
  home: string;
  lake: Lake;
  /** Undefined where no database can be reached. */
  database: DatabaseTarget | undefined;
  settings?: object | undefined;
  now?: () => Date;
}

/** What the command line would give to a runbook. */
export function testServices({ root, home, lake, database, ...of }: ServicesOf): RunbookServices {
  const target = async (): Promise<DatabaseTarget> => {
    if (database === undefined) throw new Error('This world has no database.');
    return database;
  };
  return {
    config: configSchema.parse(of.settings ?? {}),
    home,
    database: target,
    databaseUrl: async () => (await target()).url,
    lake: async () => lake,
    scratch: () => mkdtemp(join(root, 'run-')),
    pseudonymKey: async () => testPseudonymKey,
    surroundings: async () => ({ lookup: () => undefined, profile: 'test', directory: root }),
    tool: testTool,
    now: of.now ?? (() => new Date()),
  };
}
