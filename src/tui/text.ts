import { wrap } from '../system/text-width.js';

export { cut, graphemes, pad, widthOf, wrap } from '../system/text-width.js';

/**
 * What a terminal would obey, reorder or join: control characters, marks of direction, joiners,
 * variation selectors, tags, and halves of surrogate pairs.
 */
const steering =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it looks for
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: single code points are what is meant
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]|\p{Surrogate}/gu;

const dropped = /[\ufe00-\ufe0f\u200d]/u;

const code = (char: string): string =>
  `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;

/**
 * Data as one harmless line: line ends and tabs become spaces, what could steer the screen becomes
 * a visible escape. Everything that comes from outside passes here before it is drawn.
 */
export const clean = (text: string): string =>
  text
    .replace(/\r\n|[\r\n\t\v\f]/g, ' ')
    .replace(steering, (char) => (dropped.test(char) ? '' : code(char)));

/** The same for text of several lines. */
export const cleanLines = (text: string): string[] => text.split(/\r\n|\r|\n/).map(clean);

/** Letters of one column each, whatever the terminal thinks of the rest. */
const narrow =
  /^[\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff\u0370-\u03ff\u0400-\u0481\u2010-\u2027\u2500-\u257f]*$/;

/** Beyond that a text is not measured by its characters: it would take too long in a flood. */
const longestMeasured = 400;

/** A clean text in pieces of at most `width` columns, broken anywhere: ten thousand a second. */
export function wrapFast(text: string, width: number): string[] {
  if (narrow.test(text)) return pieces(text, width);
  if (text.length <= longestMeasured) return wrap(text, width);
  // No character takes more than two columns.
  return pieces([...text], Math.max(1, Math.floor(width / 2))).map((part) => [...part].join(''));
}

function pieces<T extends string | string[]>(text: T, size: number): T[] {
  const count = Math.max(1, Math.ceil(text.length / size));
  return Array.from(
    { length: count },
    (_, index) => text.slice(index * size, (index + 1) * size) as T,
  );
}
