import { widthOf } from '../text.js';

/** Where frames go: the terminal. */
export interface Screen {
  columns: number;
  rows: number;
  writableNeedDrain: boolean;
  write(text: string): boolean;
  once(event: 'drain', listener: () => void): unknown;
}

const begin = '\u001b[?2026h';
const end = '\u001b[?2026l';

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
const styles = /(\u001b\[[0-9;]*m)/;
const certain = /^[\x20-\x7e─│…✓✗●○–▸·›×→]*$/;

/**
 * Draws frames by their changed lines, each at its absolute place: nothing scrolls, and a line that
 * is wrong for any reason spoils no other. A terminal that takes its time gets the newest frame
 * when it is ready, not all of them.
 */
export class Painter {
  readonly #screen: Screen;
  #shown: string[] = [];
  #waiting: string | undefined;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** Forgets what is on the screen: the next frame is drawn whole. */
  forget(): void {
    this.#shown = [];
  }

  /** True when the frame was handed to the terminal at once. */
  paint(frame: string): boolean {
    if (this.#waiting !== undefined || this.#screen.writableNeedDrain) {
      if (this.#waiting === undefined) this.#screen.once('drain', () => this.#drained());
      this.#waiting = frame;
      return false;
    }
    const lines = frame.split('\n').slice(0, this.#screen.rows);
    const whole = this.#shown.length === 0;
    let text = whole ? '\u001b[0m\u001b[2J' : '';
    for (let row = 0; row < Math.max(lines.length, this.#shown.length); row += 1) {
      const line = lines[row] ?? '';
      if (!whole && line === this.#shown[row]) continue;
      text += `\u001b[${row + 1};1H${this.#placed(line)}`;
    }
    this.#shown = lines;
    if (text !== '') this.#screen.write(`${begin}${text}${end}`);
    return true;
  }

  #drained(): void {
    const frame = this.#waiting;
    this.#waiting = undefined;
    if (frame !== undefined) this.paint(frame);
  }

  /**
   * The line, with the cursor put right after every character whose width terminals disagree about.
   * What is left of an older line is erased, unless the cursor stands on the last column.
   */
  #placed(line: string): string {
    let column = 0;
    let text = '';
    for (const part of line.split(styles)) {
      if (styles.test(part)) {
        text += part;
        continue;
      }
      column += widthOf(part);
      text += certain.test(part) ? part : this.#anchored(part, column);
    }
    return column < this.#screen.columns ? `${text}\u001b[0m\u001b[K` : `${text}\u001b[0m`;
  }

  #anchored(part: string, until: number): string {
    let column = until - widthOf(part);
    let text = '';
    for (const word of part.split(/( +)/)) {
      column += widthOf(word);
      text += word;
      if (!certain.test(word) && column < this.#screen.columns) text += `\u001b[${column + 1}G`;
    }
    return text;
  }
}
