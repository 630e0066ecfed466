import { Command, type Interfaces } from '@oclif/core';
import { ExitCode, interrupted, isOperatorError, type OperatorError } from '../system/errors.js';
import type { CommandContext } from './context.js';
import { createContext, type ManagedContext } from './create-context.js';
import { describeCauses, describeFailure, describeUsage, type Failure } from './failure.js';
import { globalFlags } from './flags.js';
import { assertHome } from './home.js';
import { errorDocument, noteText, resultDocument, resultText, writeResult } from './output.js';
import { paint, type Terminal, wantsColor } from './terminal.js';

type Parsed<T extends typeof Command> = {
  flags: Interfaces.InferredFlags<T['flags'] & (typeof ReviewopsCommand)['baseFlags']>;
  args: Interfaces.InferredArgs<T['args']>;
  /** All arguments, where a command takes several (`strict = false`). */
  argv: string[];
};

export type GlobalFlags = Interfaces.InferredFlags<typeof globalFlags>;

/**
 * The base of every command. It owns parsing, errors, exit codes, both output formats and
 * interruption; a command says what to do (`execute`) and how its result reads (`render`).
 *
 * The status of a command is the same with and without `--json`.
 */
export abstract class ReviewopsCommand<Result extends object> extends Command {
  static override baseFlags = globalFlags;
  // oclif's own --json changes exit codes and prints the parser's context, environment included.
  static override enableJsonFlag = false;

  #parsed: unknown;
  #context: ManagedContext | undefined;

  /** Does the work. What it throws is mapped to an exit code; see system/errors.ts. */
  abstract execute(context: CommandContext): Promise<Result>;

  /** The result as text for stdout. */
  abstract render(result: Result, terminal: Terminal): string;

  /** The status of a command that did its work; a check that found something says 1 here. */
  protected exitCode(_result: Result): ExitCode {
    return ExitCode.done;
  }

  /** The status of a command that failed. */
  protected failureStatus(failure: Failure): number {
    return failure.status;
  }

  /** Flags and arguments of this command: `const { flags, args } = this.input(BatchShow);` */
  protected input<T extends typeof Command>(_command: T): Parsed<T> {
    return this.#parsed as Parsed<T>;
  }

  override async run(): Promise<void> {
    process.exitCode = await this.#perform();
  }

  /** Messages of oclif itself, such as a deprecated flag. */
  override warn(input: Error | string): Error | string {
    const message = typeof input === 'string' ? input : input.message;
    if (this.#context !== undefined) this.#context.context.warn(message);
    else process.stderr.write(noteText(`warning: ${message}`));
    return input;
  }

  async #perform(): Promise<number> {
    // Known before parsing: a parser error must come as JSON too.
    const json = hasFlag(this.argv, '--json');
    let flags: GlobalFlags;
    try {
      for (const arg of Object.values(this.ctor.args)) {
        // Otherwise a missing argument would wait for a line on stdin.
        arg.ignoreStdin = true;
      }
      this.#parsed = await this.parse(this.ctor);
      flags = (this.#parsed as { flags: GlobalFlags }).flags;
    } catch (error) {
      const command = {
        name: (this.id ?? '').replaceAll(':', ' '),
        argv: this.argv,
        flags: { ...this.ctor.baseFlags, ...this.ctor.flags } as Record<string, { env?: string }>,
      };
      return this.#present(describeUsage(error, command), { json, verbose: false });
    }
    const managed = createContext(flags, {
      argv: [...(this.id ?? '').split(':'), ...this.argv],
      tool: { name: this.config.name, version: this.config.version },
    });
    this.#context = managed;
    try {
      return await this.#finish(managed, json);
    } catch (error) {
      managed.progress.clear();
      const cause = asInterruption(error, managed.context.signal);
      return await this.#present(describeFailure(cause), {
        json,
        verbose: flags.verbose,
        causes: describeCauses(cause),
      });
    } finally {
      managed.release();
    }
  }

  #present(failure: Failure, options: FailureOptions): Promise<number> {
    return presentFailure({ ...failure, status: this.failureStatus(failure) }, options);
  }

  async #finish(managed: ManagedContext, json: boolean): Promise<number> {
    const { context, progress, warnings } = managed;
    let result: Result;
    try {
      await assertHome(context.home);
      result = await this.execute(context);
    } finally {
      await managed.cleanUp();
    }
    progress.clear();
    const status = this.exitCode(result);
    const text = json
      ? resultDocument(status, result, warnings)
      : resultText(this.render(result, context.terminal), context.terminal.color);
    return writeResult(text, status);
  }
}

/** Whether the flag stands before `--`. */
export function hasFlag(argv: readonly string[], flag: string): boolean {
  const end = argv.indexOf('--');
  return (end === -1 ? argv : argv.slice(0, end)).includes(flag);
}

/** What fails because the operator stopped it is an interruption, whatever the library calls it. */
function asInterruption(error: unknown, signal: AbortSignal): OperatorError | unknown {
  if (!signal.aborted || isOperatorError(error)) return error;
  return isOperatorError(signal.reason)
    ? signal.reason
    : interrupted('Interrupted.', { cause: error });
}

interface FailureOptions {
  json: boolean;
  verbose: boolean;
  causes?: string[];
}

/** Prints an error where its reader looks for it; resolves with the exit status. */
export async function presentFailure(failure: Failure, options: FailureOptions): Promise<number> {
  const color = wantsColor(process.stderr, process.env, process.argv.includes('--no-color'));
  const lines: string[] = [];
  if (!options.json) {
    const label = paint({ color }, 'red', 'error:');
    lines.push(`${label} ${failure.message} [${failure.code}]`);
    if (failure.hint !== undefined)
      lines.push(`${paint({ color }, 'bold', 'next:')} ${failure.hint}`);
  }
  if (options.verbose) {
    lines.push(...(options.causes ?? []));
    if (failure.stack !== undefined) lines.push(failure.stack);
  }
  if (lines.length > 0) process.stderr.write(noteText(lines.join('\n'), color));
  return options.json ? writeResult(errorDocument(failure), failure.status) : failure.status;
}
