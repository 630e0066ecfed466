import { ExitCode } from '../system/errors.js';
import { nearest } from '../system/nearest.js';
import type { Failure } from './failure.js';
import { globalFlags } from './flags.js';

export interface CommandTree {
  /** Ids such as `batch:show`. */
  commands: { has(id: string): boolean; keys(): Iterable<string> };
  topics: { has(id: string): boolean; keys(): Iterable<string> };
}

export type Target =
  | { kind: 'command'; id: string; argv: string[] }
  /** Of a command, a topic or the whole tool. */
  | { kind: 'help'; id: string | undefined }
  | { kind: 'unknown'; failure: Failure };

const valueFlags = new Set(
  Object.entries(globalFlags)
    .filter(([, flag]) => flag.type === 'option')
    .map(([name]) => `--${name}`),
);
const booleanFlags = new Set(
  Object.entries(globalFlags)
    .filter(([, flag]) => flag.type === 'boolean')
    .map(([name]) => `--${name}`),
);

/**
 * Finds the command that a command line names: the longest one its words spell. Global flags may
 * stand before it. A topic alone asks for its help; a word that is neither is an error with a
 * suggestion, never help and success. `bare` is the command that no word at all means, if any.
 */
export function route(argv: readonly string[], tree: CommandTree, bare?: string): Target {
  const end = argv.indexOf('--');
  const wantsHelp = (end === -1 ? argv : argv.slice(0, end)).some(
    (word) => word === '--help' || word === '-h',
  );
  const leading = countLeadingFlags(argv);
  const flags = argv.slice(0, leading);
  let words = argv.slice(leading);
  let helpWord = false;
  if (words[0] === 'help' && !tree.commands.has('help')) {
    helpWord = true;
    words = words.slice(1);
  }
  const first = words.findIndex((word) => word.startsWith('-'));
  const path = first === -1 ? words : words.slice(0, first);
  if (bare !== undefined && path.length === 0 && !wantsHelp && !helpWord) {
    return { kind: 'command', id: bare, argv: [...words, ...flags] };
  }

  for (let length = path.length; length > 0; length -= 1) {
    const id = path.slice(0, length).join(':');
    if (!tree.commands.has(id)) continue;
    if (wantsHelp || helpWord) return { kind: 'help', id };
    return { kind: 'command', id, argv: [...words.slice(length), ...flags] };
  }
  const known = longestTopic(path, tree);
  if (known < path.length) return { kind: 'unknown', failure: unknownCommand(path, known, tree) };
  const stray = wantsHelp ? undefined : strayFlag(words.slice(path.length));
  if (stray !== undefined) return { kind: 'unknown', failure: stray };
  return { kind: 'help', id: path.length === 0 ? undefined : path.join(':') };
}

/** How many words at the start are global flags and their values. */
function countLeadingFlags(argv: readonly string[]): number {
  let count = 0;
  while (count < argv.length) {
    const word = argv[count] ?? '';
    if (booleanFlags.has(word) || valueFlags.has(word.split('=')[0] ?? '')) {
      count += valueFlags.has(word) ? 2 : 1;
    } else break;
  }
  return Math.min(count, argv.length);
}

function longestTopic(path: readonly string[], tree: CommandTree): number {
  let length = path.length;
  while (length > 0 && !tree.topics.has(path.slice(0, length).join(':'))) length -= 1;
  return length;
}

/** A flag that only a command could take, given without one. */
function strayFlag(words: readonly string[]): Failure | undefined {
  const rest = words.slice(countLeadingFlags(words));
  if (rest.length === 0 || rest[0] === '--') return undefined;
  const name = (rest[0] ?? '').split('=')[0] ?? '';
  const all = [...booleanFlags, ...valueFlags, '--help', '--version'];
  return usageFailure(`Unknown flag: ${name}.`, nearest(name, all));
}

function unknownCommand(path: readonly string[], known: number, tree: CommandTree): Failure {
  const typed = path.join(' ');
  const names = [...tree.commands.keys(), ...tree.topics.keys()].map((id) =>
    id.replaceAll(':', ' '),
  );
  const topic = path.slice(0, known).join(' ');
  const within = names.filter((name) => topic === '' || name.startsWith(`${topic} `));
  const meant = nearest(typed, within) ?? nearest(path.slice(0, known + 1).join(' '), within);
  const help = topic === '' ? 'reviewops --help' : `reviewops ${topic} --help`;
  return {
    ...usageFailure(`There is no command \`${typed}\`.`, meant && `reviewops ${meant}`, help),
    code: 'COMMAND_NOT_FOUND',
  };
}

const usageFailure = (
  message: string,
  meant: string | undefined,
  help = 'reviewops --help',
): Failure => ({
  status: ExitCode.usage,
  code: 'USAGE_ERROR',
  message,
  hint: `${meant === undefined ? '' : `Did you mean \`${meant}\`? `}See \`${help}\`.`,
});
