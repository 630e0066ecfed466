/**
 * A key by its name: `enter`, `esc`, `ctrl-c`, `pageup`, or the character it types. Pasted text
 * comes as one press: its line ends press no Enter.
 */
export type Press = { key: string } | { paste: string };

const named: Record<string, string> = {
  '\r': 'enter',
  '\n': 'enter',
  '\t': 'tab',
  '\u007f': 'backspace',
  '\b': 'backspace',
};

const finals: Record<string, string> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  H: 'home',
  F: 'end',
  Z: 'shift-tab',
};

const tildes: Record<string, string> = {
  '1': 'home',
  '3': 'delete',
  '4': 'end',
  '5': 'pageup',
  '6': 'pagedown',
  '7': 'home',
  '8': 'end',
};

const pasteStart = '\u001b[200~';
const pasteEnd = '\u001b[201~';

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
const sequence = /^\u001b(?:\[([0-9;:<=>?]*)[ -/]*([@-~])|O([@-~]))/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
const unfinished = /^\u001b(?:\[[0-9;:<=>?]*[ -/]*|O)?$/;

/** Turns what a terminal sends into presses. Sequences may be cut anywhere between two chunks. */
export class KeyDecoder {
  #rest = '';

  /** An escape that may be the Esc key or the beginning of more: `flush` decides after a moment. */
  get pending(): boolean {
    return this.#rest !== '' && !this.#rest.startsWith(pasteStart);
  }

  push(chunk: string): Press[] {
    this.#rest += chunk;
    return this.#decode(false);
  }

  /** What is left was all there is. */
  flush(): Press[] {
    return this.#decode(true);
  }

  #decode(final: boolean): Press[] {
    const presses: Press[] = [];
    while (this.#rest !== '') {
      const press = this.#next(final);
      if (press === 'more') break;
      if (press !== undefined) presses.push(press);
    }
    return presses;
  }

  /** One press off the front; undefined for what means nothing to us. */
  #next(final: boolean): Press | undefined | 'more' {
    const rest = this.#rest;
    if (rest.startsWith(pasteStart)) {
      const end = rest.indexOf(pasteEnd);
      if (end === -1) return 'more';
      this.#rest = rest.slice(end + pasteEnd.length);
      return { paste: rest.slice(pasteStart.length, end) };
    }
    if (rest.startsWith('\u001b')) {
      const match = sequence.exec(rest);
      if (match !== null) {
        const [all, parameters = '', final1, final2] = match;
        this.#rest = rest.slice(all.length);
        const letter = final1 ?? final2 ?? '';
        const name = letter === '~' ? tildes[parameters.split(';')[0] ?? ''] : finals[letter];
        return name === undefined ? undefined : { key: name };
      }
      if (!final && unfinished.test(rest)) return 'more';
      this.#rest = rest.slice(1);
      return { key: 'esc' };
    }
    const [char = ''] = rest;
    this.#rest = rest.slice(char.length);
    return press(char);
  }
}

function press(char: string): Press | undefined {
  const name = named[char];
  if (name !== undefined) return { key: name };
  const point = char.codePointAt(0) ?? 0;
  if (point === 0) return undefined;
  if (point < 0x20) return { key: `ctrl-${String.fromCharCode(point + 0x60)}` };
  return { key: char };
}
