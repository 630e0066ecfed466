import { Config, type Interfaces, Plugin } from '@oclif/core';
import { redact, registerSecret, registerSecretUrl } from '../system/redact.js';
import { hasFlag, presentFailure } from './command.js';
import { endProcess } from './end-process.js';
import { describeFailure } from './failure.js';
import { helpText } from './help.js';
import { takeOverFrom } from './interrupt.js';
import {
  noteText,
  resultDocument,
  resultText,
  surviveClosedStreams,
  writeResult,
} from './output.js';
import { route } from './route.js';
import { canAsk, wantsColor } from './terminal.js';

export interface MainOptions {
  /** Directory of package.json. */
  root: string;
  /** In place of package.json: bin/dev.js points its oclif section to the sources. */
  pjson?: Interfaces.PJSON;
  /** What listens to signals until a command does. */
  stopEarly?: () => void;
}

/** Runs one command line and ends the process with its status. Never rejects. */
export async function main(argv: string[], options: MainOptions): Promise<void> {
  surviveClosedStreams();
  if (options.stopEarly !== undefined) takeOverFrom(options.stopEarly);
  registerEnvironment(process.env);
  const json = hasFlag(argv, '--json');
  const verbose = hasFlag(argv, '--verbose');
  silenceWarnings(verbose);
  let status: number;
  try {
    const config = await loadTree(options);
    status = await dispatch(argv, config, json);
  } catch (error) {
    status = await presentFailure(describeFailure(error), { json, verbose });
  }
  // Stderr may be a pipe with lines on the way; a write that calls back has passed them all.
  await new Promise<void>((done) => process.stderr.write('', () => done()));
  endProcess(status);
}

async function loadTree({ root, pjson }: MainOptions): Promise<Config> {
  if (pjson === undefined) return Config.load({ root });
  const plugin = new Plugin({ root, pjson, isRoot: true, ignoreManifest: true });
  await plugin.load();
  return Config.load({ root, plugins: new Map([[plugin.name, plugin]]) });
}

async function dispatch(argv: string[], config: Config, json: boolean): Promise<number> {
  const tree = {
    commands: new Map(config.commands.map((command) => [command.id, command.flags])),
    topics: new Set(config.topics.map((topic) => topic.name)),
  };
  const target = route(argv, tree, opensScreen(argv, json) ? 'tui' : undefined);
  if (target.kind === 'command') {
    await config.runCommand(target.id, target.argv);
    return Number(process.exitCode ?? 0);
  }
  if (target.kind === 'unknown') {
    return presentFailure(target.failure, { json, verbose: false });
  }
  const help = await helpText(config, target.id);
  const color = wantsColor(process.stdout, process.env, hasFlag(argv, '--no-color'));
  return writeResult(json ? resultDocument(0, { help }, []) : resultText(help, color), 0);
}

/** Whether a person sits at a terminal that takes what is drawn and gives what is typed. */
const opensScreen = (argv: readonly string[], json: boolean): boolean =>
  !json &&
  process.stdout.isTTY === true &&
  canAsk({ noInput: hasFlag(argv, '--no-input'), environment: process.env });

/** What Node and libraries say to developers is no business of the operator. */
function silenceWarnings(verbose: boolean): void {
  // The AWS SDK's advice on versions of Node is for us; under --verbose, too.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) => {
    if (verbose) process.stderr.write(noteText(redact(`${name}: ${message}`)));
  });
}

/** Variables whose values are masked wherever they would be printed. */
function registerEnvironment(environment: NodeJS.ProcessEnv): void {
  registerSecretUrl(environment.NEON_DB_URL);
  registerSecretUrl(environment.DATABASE_URL);
  for (const name of [
    'REVIEWOPS_PSEUDONYM_KEY',
    'NEON_API_KEY',
    'PGPASSWORD',
    'AWS_SECRET_ACCESS_KEY',
    'AWS_SESSION_TOKEN',
  ]) {
    registerSecret(environment[name]);
  }
}
