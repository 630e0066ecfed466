import { createRequire } from 'node:module';
import { stripVTControlCharacters } from 'node:util';

/** Characters of one column each: Latin letters, and the dashes and quotes of typography. */
const plain = /^[\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027]*$/;

// Unicode's tables take as long to load as all the rest of a short command.
let graphemes: Intl.Segmenter | undefined;
let stringWidth: ((text: string) => number) | undefined;

/** Columns of the screen that a text takes; colour codes take none. */
export function widthOf(text: string): number {
  if (plain.test(text)) return text.length;
  const visible = stripVTControlCharacters(text);
  if (plain.test(visible)) return visible.length;
  stringWidth ??= (createRequire(import.meta.url)('string-width') as typeof import('string-width'))
    .default;
  return stringWidth(visible);
}

/** The part that fits, with `…` where something was left out. */
export function cut(text: string, width: number): string {
  if (width <= 0) return '';
  if (widthOf(text) <= width) return text;
  if (plain.test(text)) return `${text.slice(0, width - 1)}…`;
  let used = 0;
  let kept = '';
  graphemes ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  for (const { segment } of graphemes.segment(text)) {
    const next = widthOf(segment);
    if (used + next > width - 1) break;
    used += next;
    kept += segment;
  }
  return `${kept}…`;
}

/** Exactly so many columns: cut or filled with spaces. */
export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const short = cut(text, width);
  const space = ' '.repeat(Math.max(0, width - widthOf(short)));
  return align === 'left' ? short + space : space + short;
}
