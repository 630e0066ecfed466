import type { Press } from './decode.js';
import { KeyDecoder } from './decode.js';

const on = [
  '\u001b[?1049h', // the alternate screen: what was on the terminal comes back
  '\u001b[?25l', // no cursor
  '\u001b[?7l', // no wrapping: every line has its place
  '\u001b[?2004h', // pasted text is marked as such
  '\u001b[8l', // right-to-left text stays where it is put
].join('');
const off = '\u001b[8h\u001b[?2004l\u001b[?7h\u001b[?25h\u001b[0m\u001b[?1049l';

/** How long an escape may be the beginning of a sequence, in milliseconds. */
const escapeMilliseconds = 40;

export interface SessionEvents {
  press(press: Press): void;
  resized(): void;
  /** The screen may hold anything: it has to be drawn whole. */
  dirty(): void;
  /** The terminal is gone. */
  lost(): void;
}

/**
 * The one owner of the terminal: raw keys, the alternate screen, suspension, and giving all of it
 * back however the program ends.
 */
export class TerminalSession {
  readonly #input: NodeJS.ReadStream;
  readonly #output: NodeJS.WriteStream;
  readonly #events: SessionEvents;
  readonly #decoder = new KeyDecoder();
  #flush: NodeJS.Timeout | undefined;
  #entered = false;

  constructor(input: NodeJS.ReadStream, output: NodeJS.WriteStream, events: SessionEvents) {
    this.#input = input;
    this.#output = output;
    this.#events = events;
  }

  open(): void {
    this.#input.setEncoding('utf8');
    this.#input.on('data', this.#onData);
    this.#input.on('error', this.#onLost);
    this.#input.on('end', this.#onLost);
    this.#output.on('resize', this.#onResize);
    process.on('SIGTSTP', this.#onStop);
    process.on('SIGCONT', this.#onContinue);
    process.on('exit', this.#leave);
    this.#enter();
  }

  close(): void {
    clearTimeout(this.#flush);
    this.#input.off('data', this.#onData);
    this.#input.off('end', this.#onLost);
    this.#output.off('resize', this.#onResize);
    process.off('SIGTSTP', this.#onStop);
    process.off('SIGCONT', this.#onContinue);
    process.off('exit', this.#leave);
    this.#leave();
    this.#input.pause();
  }

  /** Whether the screen is ours: not while the shell has it back. */
  get active(): boolean {
    return this.#entered;
  }

  /** Stops the process as Ctrl-Z does elsewhere; `fg` comes back here. */
  suspend(): void {
    this.#onStop();
  }

  #enter(): void {
    this.#input.setRawMode(true);
    this.#input.resume();
    this.#output.write(on);
    this.#entered = true;
  }

  readonly #leave = (): void => {
    if (!this.#entered) return;
    this.#entered = false;
    this.#output.write(off);
    try {
      this.#input.setRawMode(false);
    } catch {
      // The terminal is gone, and its mode with it.
    }
  };

  readonly #onData = (chunk: string): void => {
    clearTimeout(this.#flush);
    for (const press of this.#decoder.push(chunk)) this.#events.press(press);
    if (!this.#decoder.pending) return;
    this.#flush = setTimeout(() => {
      for (const press of this.#decoder.flush()) this.#events.press(press);
    }, escapeMilliseconds);
  };

  readonly #onLost = (): void => {
    this.#entered = false;
    this.#events.lost();
  };

  readonly #onResize = (): void => this.#events.resized();

  readonly #onStop = (): void => {
    this.#leave();
    process.off('SIGTSTP', this.#onStop);
    // The whole group, as the terminal would: a launcher in front of us stops too.
    process.kill(0, 'SIGTSTP');
  };

  readonly #onContinue = (): void => {
    process.off('SIGTSTP', this.#onStop);
    process.on('SIGTSTP', this.#onStop);
    this.#enter();
    this.#events.dirty();
  };
}
