import { createInterface, type Interface } from 'node:readline';
import type { Face } from '../effects/program.js';
import type { Model, Size } from '../state/model.js';
import type { Press } from '../terminal/decode.js';
import { announce } from './announce.js';
import { interpret } from './interpret.js';

/** How often lines are said that nobody waits for, in milliseconds. */
const sayMilliseconds = 100;

export interface PlainFaceOptions {
  input: NodeJS.ReadStream;
  output: NodeJS.WriteStream;
  press(press: Press): void;
  /** The input has ended. */
  lost(): void;
}

/**
 * The same program as lines, one after the other: nothing is drawn twice, nothing moves. For screen
 * readers and for terminals that only print.
 */
export class PlainFace implements Face {
  readonly #options: PlainFaceOptions;
  readonly #lines: Interface;
  #said: Model | undefined;
  #model: Model | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PlainFaceOptions) {
    this.#options = options;
    this.#lines = createInterface({ input: options.input, terminal: false });
    this.#lines.on('line', (line) => {
      if (this.#model === undefined) return;
      for (const press of interpret(this.#model, line)) options.press(press);
    });
    this.#lines.on('close', options.lost);
  }

  /** Lists are said whole; the size decides only how far a page goes. */
  size(): Size {
    return { columns: 200, rows: 60 };
  }

  changed(model: Model): void {
    this.#model = model;
    this.#timer ??= setTimeout(() => this.#say(), sayMilliseconds);
  }

  copy(text: string): void {
    this.#options.output.write(`${text}\n`);
  }

  redraw(): void {
    this.#said = undefined;
    this.#say();
  }

  suspend(): void {
    process.kill(0, 'SIGTSTP');
  }

  close(): void {
    this.#say();
    this.#lines.off('close', this.#options.lost);
    this.#lines.close();
    this.#options.input.pause();
  }

  #say(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#model === undefined) return;
    const lines = announce(this.#said, this.#model);
    this.#said = this.#model;
    if (lines.length > 0) this.#options.output.write(`${lines.join('\n')}\n`);
  }
}
