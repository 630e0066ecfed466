import { writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { LoadedConfig } from '../config/load.js';
import type { Secrets } from '../config/secrets.js';
import type { LakeSurroundings } from '../lake/open.js';
import { ExitCode, throwIfAborted } from '../system/errors.js';
import type { JobContext } from '../system/progress.js';
import { redact } from '../system/redact.js';
import { ask } from './ask.js';
import { confirmChange, confirmDestruction } from './confirm.js';
import type { CommandContext } from './context.js';
import { findHome } from './home.js';
import { watchInterrupts } from './interrupt.js';
import { errorDocument, noteText, writeResult } from './output.js';
import { ProgressView } from './progress.js';
import { makeScratch, removeScratch } from './scratch.js';
import { canAsk, paint, wantsColor } from './terminal.js';

export interface ContextFlags {
  config?: string | undefined;
  profile?: string | undefined;
  home?: string | undefined;
  json: boolean;
  quiet: boolean;
  verbose: boolean;
  'no-color': boolean;
  'no-input': boolean;
}

export interface ManagedContext {
  context: CommandContext;
  progress: ProgressView;
  warnings: string[];
  /** Removes what the command made for itself. */
  cleanUp(): Promise<void>;
  /** Stops listening to signals. */
  release(): void;
}

/** Makes the context of one command run. The only place that reads the process's environment. */
export function createContext(
  flags: ContextFlags,
  run: {
    argv: readonly string[];
    tool: { name: string; version: string };
    /** Takes notices and warnings as plain lines, while a face owns the screen. */
    say?: (text: string) => void;
  },
): ManagedContext {
  const environment = process.env;
  const cwd = process.cwd();
  const stderrTerminal = {
    color: run.say === undefined && wantsColor(process.stderr, environment, flags['no-color']),
    width: process.stderr.columns ?? 80,
  };
  const warnings: string[] = [];
  const write =
    run.say ??
    ((text: string) => {
      process.stderr.write(text);
    });
  const warn = (message: string) => {
    const clean = redact(message);
    if (warnings.includes(clean)) return;
    warnings.push(clean);
    const line = `${paint(stderrTerminal, 'yellow', 'warning:')} ${clean}`;
    progress.print(line);
  };
  const progress = new ProgressView({
    write,
    live: run.say === undefined && process.stderr.isTTY === true && environment.TERM !== 'dumb',
    quiet: flags.quiet,
    terminal: stderrTerminal,
    clock: () => performance.now(),
    warn,
  });
  const interrupt = watchInterrupts({
    announce: () => {
      const { running } = progress;
      const what = running.length === 0 ? '' : ` ${running.join(', ')}`;
      progress.print(`Stopping${what} at a safe point; Ctrl-C again leaves at once.`);
    },
    leave: () => {
      progress.clear();
      if (flags.json) {
        writeSync(1, errorDocument({ ...hardExit, hint: hardExit.hint }));
      } else {
        writeSync(2, noteText(`error: ${hardExit.message} [${hardExit.code}]`));
      }
    },
  });
  const job: JobContext = {
    report: progress.report,
    signal: interrupt.signal,
    now: () => new Date(),
  };
  const interactive =
    process.stderr.isTTY === true && canAsk({ noInput: flags['no-input'], environment });
  const confirmHost = {
    interactive,
    argv: run.argv,
    ask: (question: string) => ask(question, { signal: job.signal, write }),
  };

  const loadedConfig = once(async (): Promise<LoadedConfig> => {
    const { loadConfig } = await import('../config/load.js');
    return loadConfig({ cwd, environment, file: flags.config, profile: flags.profile, warn });
  });
  const { home, homeSource } = findHome(flags.home, environment.REVIEWOPS_HOME, cwd);
  const secrets = once(async (): Promise<Secrets> => {
    const { loadSecrets } = await import('../config/secrets.js');
    const { file } = await loadedConfig();
    return loadSecrets({ home, cwd, environment, configFile: file, warn, report: job.report });
  });
  const lakeSurroundings = async (): Promise<LakeSurroundings> => {
    const { profile, file } = await loadedConfig();
    const aws = once(async () => {
      const { readAwsEnvironment } = await import('../config/aws.js');
      return readAwsEnvironment({ home, cwd, environment, configFile: file, warn });
    });
    return { home, profile, signal: job.signal, aws };
  };
  const surroundings = async () => {
    const { readEnvironment } = await import('../config/environment.js');
    const { profile, file } = await loadedConfig();
    const lookup = await readEnvironment({ home, cwd, environment, configFile: file, warn });
    return { lookup, profile, directory: file === undefined ? cwd : dirname(file) };
  };
  let scratchDirectory: Promise<string> | undefined;

  const context: CommandContext = {
    ...job,
    job,
    home,
    homeSource,
    cwd,
    tool: run.tool,
    interactive,
    quiet: flags.quiet,
    verbose: flags.verbose,
    json: flags.json,
    terminal: {
      color: wantsColor(process.stdout, environment, flags['no-color']),
      width: process.stdout.columns ?? Number.POSITIVE_INFINITY,
    },
    argv: run.argv,
    config: async () => (await loadedConfig()).config,
    loadedConfig,
    secrets,
    database: once(async () => {
      const { resolveDatabase } = await import('../database/resolve.js');
      const { databaseUrl } = await secrets();
      const { database } = (await loadedConfig()).config;
      return resolveDatabase({ url: databaseUrl, home, settings: database, job });
    }),
    lake: once(async () => {
      const { openLake } = await import('../lake/open.js');
      const { config } = await loadedConfig();
      return openLake(config.lake, await lakeSurroundings());
    }),
    lakeSurroundings,
    surroundings,
    scratch: () => {
      throwIfAborted(job.signal);
      scratchDirectory ??= makeScratch(home);
      return scratchDirectory;
    },
    warn,
    ask: confirmHost.ask,
    write: async (text) => {
      await writeResult(text, ExitCode.done);
    },
    allowCleanUp: interrupt.allowCleanUp,
    confirmChange: (what, answers) => confirmChange(confirmHost, what, answers),
    confirmDestruction: (target, answers) => confirmDestruction(confirmHost, target, answers),
  };
  return {
    context,
    progress,
    warnings,
    cleanUp: async () => {
      if (scratchDirectory !== undefined) await removeScratch(await scratchDirectory);
    },
    release: () => interrupt.dispose(),
  };
}

const hardExit = {
  status: ExitCode.interrupted,
  code: 'INTERRUPTED',
  message: 'Interrupted before the cleanup was done; the next command clears what is left.',
  hint: undefined,
};

/** Runs the work at the first call and gives every caller its outcome. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let outcome: Promise<T> | undefined;
  return () => {
    outcome ??= work();
    return outcome;
  };
}
