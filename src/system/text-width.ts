import { createRequire } from 'node:module';
import { stripVTControlCharacters } from 'node:util';

/** Characters of one column each: Latin letters, and the dashes and quotes of typography. */
const plain = /^[\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027]*$/;

// Unicode's tables take as long to load as all the rest of a short command.
let segmenter: Intl.Segmenter | undefined;
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

/** Whole characters, as a person counts them. */
export function graphemes(text: string): Intl.Segments {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  return segmenter.segment(text);
}

/** The part that fits, with `…` where something was left out. */
export function cut(text: string, width: number): string {
  if (width <= 0) return '';
  if (widthOf(text) <= width) return text;
  if (plain.test(text)) return `${text.slice(0, width - 1)}…`;
  let used = 0;
  let kept = '';
  for (const { segment } of graphemes(text)) {
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

/** Lines of at most `width` columns, broken between words where that goes. */
export function wrap(text: string, width: number): string[] {
  if (widthOf(text) <= width) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const joined = line === '' ? word : `${line} ${word}`;
    if (widthOf(joined) <= width) {
      line = joined;
      continue;
    }
    if (line !== '') lines.push(line);
    line = word;
    while (widthOf(line) > width) {
      const head = headOf(line, width);
      lines.push(head);
      line = line.slice(head.length);
    }
  }
  return [...lines, line];
}

/** As many whole characters as fit, at least one. */
function headOf(text: string, width: number): string {
  let head = '';
  let used = 0;
  for (const { segment } of graphemes(text)) {
    used += widthOf(segment);
    if (used > width && head !== '') break;
    head += segment;
  }
  return head;
}
