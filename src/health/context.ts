import type { Config } from '../config/schema.js';
import type { RunWithMean } from '../pipeline/history.js';
import type { Availability } from './availability.js';
import type { DatabaseProbe } from './database-probe.js';
import type { LakeSurvey } from './lake-survey.js';

/** Whether the chain of hashes of each run's journal holds. */
export interface JournalReport {
  checked: number;
  /** Runs whose journal was changed or cannot be read, with the reason. */
  broken: { runId: string; problem: string }[];
}

/** What whoever starts the checks hands in: everything from outside the domain. */
export interface HealthSources {
  config: Config;
  /** The state directory. */
  home: string;
  database(): Promise<DatabaseProbe>;
  /** What is known of the database without a connection to it. */
  availability(): Promise<Availability>;
  lake(): Promise<LakeSurvey>;
  /** The secret key that pseudonyms are made with now; undefined when there is none yet. */
  pseudonymKey(): Promise<Uint8Array | undefined>;
  journals(): Promise<JournalReport>;
  /** A directory of this run alone, for copies of files. */
  scratch(): Promise<string>;
  now(): Date;
}

/** What a check works with. Everything costly is made once and shared. */
export interface HealthContext extends HealthSources {
  /** The last runs of the pipeline, newest first. */
  runs(): Promise<RunWithMean[]>;
  /** Fires when the operator stops, or when the time of the check is over. */
  signal: AbortSignal;
}
