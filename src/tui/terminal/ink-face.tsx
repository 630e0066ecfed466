import { App } from '../components/app.js';
import type { Face } from '../effects/program.js';
import type { Model, Size } from '../state/model.js';
import type { Theme } from '../theme.js';
import { toAscii } from './ascii.js';
import { type InkHost, openInk } from './host.js';
import { Painter } from './painter.js';
import { type SessionEvents, TerminalSession } from './session.js';

/** The shortest time between two frames that nobody waits for, in milliseconds. */
const frameMilliseconds = 40;

/** What terminals take as the clipboard's content at most; longer is cut by some of them. */
const mostCopied = 70_000;

export interface InkFaceOptions {
  input: NodeJS.ReadStream;
  output: NodeJS.WriteStream;
  theme: Theme;
  /** The terminal knows no signs beyond ASCII. */
  ascii: boolean;
  events: Omit<SessionEvents, 'dirty'>;
}

/** The full screen, drawn by Ink. */
export class InkFace implements Face {
  readonly #options: InkFaceOptions;
  readonly #session: TerminalSession;
  readonly #painter: Painter;
  readonly #ink: InkHost;
  #model: Model | undefined;
  #soon: NodeJS.Immediate | undefined;
  #later: NodeJS.Timeout | undefined;
  #drawnAt = 0;
  #closed = false;

  private constructor(options: InkFaceOptions, ink: InkHost) {
    this.#options = options;
    this.#ink = ink;
    this.#painter = new Painter(options.output);
    this.#session = new TerminalSession(options.input, options.output, {
      ...options.events,
      dirty: () => this.redraw(),
      resized: () => {
        this.#painter.forget();
        options.events.resized();
      },
      lost: () => {
        this.#closed = true;
        options.events.lost();
      },
    });
  }

  static open(options: InkFaceOptions): InkFace {
    const face = new InkFace(options, openInk(sizeOf(options.output)));
    face.#session.open();
    return face;
  }

  size(): Size {
    return sizeOf(this.#options.output);
  }

  changed(model: Model, urgent: boolean): void {
    this.#model = model;
    if (urgent) {
      this.#soon ??= setImmediate(() => this.#draw());
      return;
    }
    const wait = Math.max(0, frameMilliseconds - (performance.now() - this.#drawnAt));
    this.#later ??= setTimeout(() => this.#draw(), wait);
  }

  copy(text: string): void {
    const encoded = Buffer.from(text.slice(0, mostCopied)).toString('base64');
    this.#options.output.write(`\u001b]52;c;${encoded}\u0007`);
  }

  redraw(): void {
    this.#painter.forget();
    this.#draw();
  }

  suspend(): void {
    this.#session.suspend();
  }

  close(): void {
    this.#cancel();
    this.#closed = true;
    this.#session.close();
    this.#ink.unmount();
  }

  #cancel(): void {
    clearImmediate(this.#soon);
    clearTimeout(this.#later);
    this.#soon = undefined;
    this.#later = undefined;
  }

  #draw(): void {
    this.#cancel();
    if (this.#closed || !this.#session.active || this.#model === undefined) return;
    const { theme, ascii } = this.#options;
    const frame = this.#ink.render(<App model={this.#model} theme={theme} />, this.#model.size);
    this.#painter.paint(ascii ? toAscii(frame) : frame);
    this.#drawnAt = performance.now();
  }
}

const sizeOf = ({ columns, rows }: NodeJS.WriteStream): Size => ({
  columns: columns ?? 80,
  rows: rows ?? 24,
});
