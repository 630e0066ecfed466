import { failed } from '../../system/errors.js';
import type { Values } from '../record.js';
import { parseObject, pick, type RunProgram, type Sink } from './sink.js';

/**
 * A program of the operator's own. It reads the values from stdin, a JSON object, and
 * `REVIEWOPS_STAGE` says what to do with them: `next` keeps them beside the current ones, `current`
 * hands them out, `discard` (with an empty object) removes what `next` kept. The program of `read`
 * prints what is kept, by the same variable.
 */
export class CommandSink implements Sink {
  readonly id: string;
  readonly readable: boolean;
  readonly #write: readonly string[];
  readonly #read: readonly string[] | undefined;
  readonly #run: RunProgram;

  constructor(write: readonly string[], read: readonly string[] | undefined, run: RunProgram) {
    this.#write = write;
    this.#read = read;
    this.#run = run;
    this.readable = read !== undefined;
    this.id = `command ${write[0]}`;
  }

  async probe(): Promise<void> {
    if (this.#read !== undefined) await this.#ask('current');
  }

  async current(names: readonly string[]): Promise<Values | undefined> {
    return this.#read === undefined ? undefined : pick(await this.#ask('current'), names);
  }

  async staged(names: readonly string[]): Promise<Values | undefined> {
    return this.#read === undefined ? undefined : pick(await this.#ask('next'), names);
  }

  stage(values: Values): Promise<void> {
    return this.#tell('next', values);
  }

  unstage(): Promise<void> {
    return this.#tell('discard', {});
  }

  async promote(values: Values): Promise<void> {
    await this.#tell('current', values);
    await this.unstage();
  }

  async #tell(stage: string, values: Values): Promise<void> {
    const { exitCode } = await this.#run(this.#write, {
      input: `${JSON.stringify(values)}\n`,
      env: { REVIEWOPS_STAGE: stage },
      quiet: false,
    });
    if (exitCode !== 0) throw this.#failure(exitCode);
  }

  async #ask(stage: string): Promise<Record<string, unknown>> {
    const { exitCode, stdout } = await this.#run(this.#read ?? [], {
      input: '',
      env: { REVIEWOPS_STAGE: stage },
      quiet: true,
    });
    if (exitCode !== 0) throw this.#failure(exitCode);
    return parseObject(stdout);
  }

  #failure(exitCode: number) {
    return failed('SINK_COMMAND_FAILED', `${this.id} ended with status ${exitCode}.`, {
      hint: 'Its output is above. It must end with 0 when the values are kept.',
    });
  }
}
