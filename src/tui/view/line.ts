import { clean, cut, pad, widthOf, wrap } from '../text.js';
import type { Tone } from '../theme.js';

/** A piece of a line with its meaning. The text is clean. */
export interface Span {
  text: string;
  tone?: Tone | undefined;
}

/** A line of the screen. */
export type Line = readonly Span[];

/** Text of our own or from outside, made harmless. */
export const span = (text: string, tone?: Tone): Span =>
  tone === undefined ? { text: clean(text) } : { text: clean(text), tone };

export const line = (text: string, tone?: Tone): Line => [span(text, tone)];

export const blank: Line = [];

/** A text as lines of at most `width` columns, each indented. */
export const wrapped = (text: string, width: number, tone?: Tone, indent = 0): Line[] =>
  text
    .split(/\r\n|\r|\n/)
    .flatMap((part) => wrap(clean(part), Math.max(10, width - indent)))
    .map((part) => line(' '.repeat(indent) + part, tone));

export const widthOfLine = (spans: Line): number =>
  spans.reduce((sum, { text }) => sum + widthOf(text), 0);

/** The line cut to this width, and filled up to it where its whole length is to be seen. */
export function fitLine(spans: Line, width: number, fill: boolean): Line {
  const fitted: Span[] = [];
  let left = width;
  for (const one of spans) {
    if (left <= 0) break;
    const text = cut(one.text, left);
    fitted.push({ ...one, text });
    left -= widthOf(text);
  }
  if (fill && left > 0) fitted.push({ text: pad('', left) });
  return fitted;
}

export const textOf = (spans: Line): string => spans.map(({ text }) => text).join('');

/** The line with every occurrence of the query marked. */
export function marked(spans: Line, query: string): Line {
  if (query === '') return spans;
  const wanted = query.toLowerCase();
  return spans.flatMap(({ text, tone }) => {
    const parts: Span[] = [];
    let rest = text;
    for (let at = rest.toLowerCase().indexOf(wanted); at !== -1; ) {
      parts.push({ text: rest.slice(0, at), tone });
      parts.push({ text: rest.slice(at, at + query.length), tone: 'match' });
      rest = rest.slice(at + query.length);
      at = rest.toLowerCase().indexOf(wanted);
    }
    return [...parts, { text: rest, tone }].filter((part) => part.text !== '');
  });
}
