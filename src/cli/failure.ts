import { stripVTControlCharacters } from 'node:util';
import {
  ExitCode,
  errorCode,
  errorMessage,
  isOperatorError,
  type OperatorError,
} from '../system/errors.js';
import { nearest } from '../system/nearest.js';
import { mask, redact } from '../system/redact.js';

/** What an operator or a script learns of an error. Holds no secret. */
export interface Failure {
  status: number;
  code: string;
  message: string;
  hint: string | undefined;
  /** Only for bugs. */
  stack?: string;
}

/** What the system refuses to any program, wherever it happens. */
const systemLimits: Record<string, string> = {
  EMFILE: 'This process may not open more files (ulimit -n).',
  ENFILE: 'The machine may not open more files (fs.file-max).',
};

const reportHint =
  'This is a bug in reviewops. Run it again with --verbose and report the stack at the project’s issue tracker.';

/** An error of the work itself. */
export function describeFailure(error: unknown): Failure {
  if (isOperatorError(error)) {
    return {
      status: error.exitCode,
      code: error.code,
      message: redact(error.message),
      hint: error.hint === undefined ? undefined : redact(error.hint),
    };
  }
  const limit = systemLimits[errorCode(error) ?? ''];
  if (limit !== undefined) {
    return {
      status: ExitCode.failed,
      code: 'TOO_MANY_FILES',
      message: limit,
      hint: 'Raise the limit to 256 or more, then run it again.',
    };
  }
  const stack = error instanceof Error ? error.stack : undefined;
  return {
    status: ExitCode.failed,
    code: 'BUG',
    message: redact(errorMessage(error)) || 'An error without a message.',
    hint: reportHint,
    ...(stack === undefined ? {} : { stack: redact(stack) }),
  };
}

/** Adds the messages of the causes, for --verbose. */
export function describeCauses(error: OperatorError | unknown): string[] {
  const lines: string[] = [];
  let cause = error instanceof Error ? error.cause : undefined;
  while (cause !== undefined && lines.length < 5) {
    lines.push(redact(`caused by: ${errorMessage(cause)}`));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return lines;
}

/** What the parser knew of the command, as far as messages may use it. */
export interface ParsedCommand {
  /** As typed: `batch show`. */
  name: string;
  argv: readonly string[];
  flags: Record<string, { env?: string; options?: readonly string[] }>;
}

const usage = (message: string, hint: string): Failure => ({
  status: ExitCode.usage,
  code: 'USAGE_ERROR',
  message: redact(message),
  hint: redact(hint),
});

/**
 * An error of the argument parser. Built from an allow-list of its fields: its context holds the
 * environment, and its messages hold flag values wherever those came from.
 */
export function describeUsage(error: unknown, command: ParsedCommand): Failure {
  if (isOperatorError(error)) return describeFailure(error);
  const help = `See \`reviewops ${command.name} --help\`.`;
  const fields = error as { flags?: unknown; args?: unknown; oclif?: unknown };
  const message = stripVTControlCharacters(errorMessage(error)).replace(
    /\s*See more help with --help\s*$/,
    '',
  );
  if (isStrings(fields.flags)) {
    const names = fields.flags.map((flag) => flag.split('=')[0] ?? '');
    const known = Object.keys(command.flags).map((name) => `--${name}`);
    const meant = nearest(names[0] ?? '', known);
    return usage(
      `Unknown flag${names.length === 1 ? '' : 's'}: ${names.join(', ')}.`,
      meant === undefined ? help : `Did you mean ${meant}? ${help}`,
    );
  }
  if (isStrings(fields.args)) {
    return usage(`Unexpected argument: ${fields.args.map(quote).join(', ')}.`, help);
  }
  if (Array.isArray(fields.args)) {
    const names = fields.args.map((arg: { name?: string }) => (arg.name ?? '').toUpperCase());
    return usage(`Missing: ${names.join(', ')}.`, help);
  }
  return choice(message, command, help) ?? usage(withoutValues(message, command), help);
}

const isStrings = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length > 0 && value.every((entry) => typeof entry === 'string');

const quote = (text: string): string => JSON.stringify(text);

/** `Expected --format=x to be one of: csv, json`. */
function choice(message: string, command: ParsedCommand, help: string): Failure | undefined {
  const match = /^Expected (?:--([\w-]+)=)?([\s\S]*) to be one of: ([\s\S]*)$/.exec(message);
  if (match === null) return undefined;
  const [, flag, value = '', options = ''] = match;
  const where = flag === undefined ? 'The argument' : `--${flag}`;
  const typed = command.argv.some((word) => word === value || word.endsWith(`=${value}`));
  const meant = typed ? nearest(value, options.split(', ')) : undefined;
  const source = flag === undefined ? undefined : command.flags[flag]?.env;
  const given = typed ? quote(value) : `the value of ${source ?? 'the environment'}`;
  return usage(
    `${where} takes one of: ${options}; not ${given}.`,
    meant === undefined ? help : `Did you mean ${meant}? ${help}`,
  );
}

/** Other messages of the parser, with every value that was not typed on the command line masked. */
function withoutValues(message: string, command: ParsedCommand): string {
  let clean = message
    .replace(/^Parsing (--[\w-]+)\s+/, '$1: ')
    .replace(/^The following errors? occurred:\s*/, '')
    .replace(/(--[\w-]+)=[^\n]*? cannot also/g, '$1 cannot also')
    .replace(/\s*\n\s*/g, '; ');
  for (const { env } of Object.values(command.flags)) {
    const value = env === undefined ? undefined : process.env[env];
    if (value !== undefined && value !== '') clean = clean.replaceAll(value, mask);
  }
  return /[.!?]$/.test(clean) ? clean : `${clean}.`;
}
