import type { Config } from '../config/schema.js';
import type { ClientOptions } from '../database/client.js';
import type { DatabaseTarget } from '../database/target.js';
import type { JobContext } from '../system/progress.js';

export interface ImportBase {
  target: DatabaseTarget;
  config: Config;
  context: JobContext;
  /** A directory of this import alone; whoever made it removes it. */
  scratch: string;
  /** Where a rejects file is published. */
  rejectsDirectory: string;
}

/** What became of the records of one source. */
export interface ImportedFile {
  path: string;
  /** For the format `tables`: the table the file holds. */
  table: string | null;
  read: number;
  loaded: number;
  rejected: number;
  folded: number;
  /** Blank lines are no records. */
  blankLines: number;
}

/** `read = loaded + rejected + folded`, counted in source records; `tables` counts new rows. */
export interface ImportResult {
  format: string;
  read: number;
  loaded: number;
  rejected: number;
  folded: number;
  rejectsFile: string | null;
  tables: { table: string; rows: number }[];
  files: ImportedFile[];
  seconds: number;
}

export const clientOptions = ({ config, context }: ImportBase, purpose: string): ClientOptions => ({
  purpose,
  settings: config.database,
  signal: context.signal,
});
