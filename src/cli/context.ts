import type { Lookup } from '../config/environment.js';
import type { LoadedConfig } from '../config/load.js';
import type { Config } from '../config/schema.js';
import type { Secrets } from '../config/secrets.js';
import type { DatabaseTarget } from '../database/target.js';
import type { Lake } from '../lake/lake.js';
import type { LakeSurroundings } from '../lake/open.js';
import type { JobContext } from '../system/progress.js';
import type { Answers, Destruction } from './confirm.js';
import type { Terminal } from './terminal.js';

/** What a command works with. Everything costly is made on first use and kept. */
export interface CommandContext extends JobContext {
  /** The same `report`, `signal` and `now`, to hand to a domain. */
  job: JobContext;
  /** Absolute path of the state directory; it may not exist yet. */
  home: string;
  /** `flag --home`, `environment REVIEWOPS_HOME` or `default`. */
  homeSource: string;
  cwd: string;
  tool: { name: string; version: string };
  /** Stdin and stderr are a terminal, and neither --no-input nor CI says that nobody is there. */
  interactive: boolean;
  quiet: boolean;
  verbose: boolean;
  json: boolean;
  /** Of stdout. */
  terminal: Terminal;
  /** The command line as typed, without the program's name. */
  argv: readonly string[];

  /** The validated configuration, with the profile applied. */
  config(): Promise<Config>;
  /** The same with the origin of every value. */
  loadedConfig(): Promise<LoadedConfig>;
  secrets(): Promise<Secrets>;
  /** The database, started first when it is the embedded one. */
  database(): Promise<DatabaseTarget>;
  lake(): Promise<Lake>;
  /** What a lake depends on beside its configuration. */
  lakeSurroundings(): Promise<LakeSurroundings>;
  /** Variables as they are now, the profile, and where relative paths of the configuration start. */
  surroundings(): Promise<{ lookup: Lookup; profile: string; directory: string }>;
  /** A private directory under `<home>/tmp`, removed when the command ends. */
  scratch(): Promise<string>;

  /** Asks the person at the terminal for a line; undefined when the input ended. */
  ask(question: string): Promise<string | undefined>;
  /** A piece of a result that is a stream, to stdout. */
  write(text: string): Promise<void>;
  /** After Ctrl-C the work may take this many seconds to reach its safe point, instead of two. */
  allowCleanUp(seconds: number): void;
  /** To stderr, and into `warnings` of the JSON document. Shown under --quiet too. */
  warn(message: string): void;
  /** Needs `--yes` or a person's yes; throws `CONFIRMATION_REQUIRED` or `DECLINED` (exit 3). */
  confirmChange(what: string, answers: Answers): Promise<void>;
  /** Needs `--confirm NAME`, `--plan HASH` or the typed name; throws like `confirmChange`. */
  confirmDestruction(target: Destruction, answers: Answers): Promise<void>;
}
