import type { Config } from '../config/schema.js';
import type { DatabaseTarget } from '../database/target.js';
import type { Lake, Layer } from '../lake/lake.js';
import type { JobContext } from '../system/progress.js';

export const stages = ['extract', 'transform', 'model', 'load'] as const;
export type Stage = (typeof stages)[number];

/** The layer that a stage publishes. */
export const layerOf: Partial<Record<Stage, Layer>> = {
  extract: 'bronze',
  transform: 'silver',
  model: 'gold',
};

/** One line of the run's log. Never holds a secret or the text of a review. */
export interface StageLogger {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
}

/** What every stage works with. Made once a run; the CLI knows how, the stages do not. */
export interface StageContext extends JobContext {
  config: Config;
  lake: Lake;
  /** Layers that this run has published itself: the files of others are checked before they are used. */
  published: ReadonlySet<Layer>;
  /** Resolves the database, starting the embedded server when it is the one; only extract and load ask. */
  database(): Promise<DatabaseTarget>;
  /** Keys the pseudonyms of customers; secret. */
  pseudonymKey: Uint8Array;
  /** A directory of this run alone, removed when it ends. */
  scratch: string;
  log: StageLogger;
  tool: { name: string; version: string };
}

/** What a stage did. Seconds of wall time, bytes as stored in the lake or sent to the database. */
export interface StageResult {
  stage: Stage;
  seconds: number;
  rowsIn: number;
  rowsOut: number;
  rejected: number;
  bytes: number;
  /** Of load: a later snapshot is published already, so nothing was written. */
  superseded?: true;
}
