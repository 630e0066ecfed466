import type { Press } from '../terminal/decode.js';

/** A line of text being typed. */
export interface Field {
  value: string;
  /** Position of the cursor, in UTF-16 units, never inside a character. */
  at: number;
}

export const fieldOf = (value = ''): Field => ({ value, at: value.length });

/** What a press makes of the text; undefined when it means nothing to a text. */
export function editField(field: Field, press: Press): Field | undefined {
  const { value, at } = field;
  const insert = (text: string): Field => ({
    value: value.slice(0, at) + text + value.slice(at),
    at: at + text.length,
  });
  if ('paste' in press) return insert(press.paste.replace(/\p{Cc}+/gu, ' ').trim());
  const { key } = press;
  const left = before(value, at);
  switch (key) {
    case 'backspace':
      return { value: value.slice(0, left) + value.slice(at), at: left };
    case 'delete':
      return { value: value.slice(0, at) + value.slice(after(value, at)), at };
    case 'left':
      return { value, at: left };
    case 'right':
      return { value, at: after(value, at) };
    case 'home':
    case 'ctrl-a':
      return { value, at: 0 };
    case 'end':
    case 'ctrl-e':
      return { value, at: value.length };
    case 'ctrl-u':
      return { value: value.slice(at), at: 0 };
    case 'ctrl-w': {
      const start = value.slice(0, at).replace(/\S+\s*$/, '').length;
      return { value: value.slice(0, start) + value.slice(at), at: start };
    }
    default:
      return [...key].length === 1 ? insert(key) : undefined;
  }
}

const before = (value: string, at: number): number =>
  at - ([...value.slice(0, at)].at(-1)?.length ?? 0);

const after = (value: string, at: number): number => at + ([...value.slice(at)][0]?.length ?? 0);
