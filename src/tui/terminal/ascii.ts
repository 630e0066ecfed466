import { graphemes, widthOf } from '../text.js';

/** What we draw ourselves, in one column of plain ASCII each. */
const drawn: Record<string, string> = {
  '✓': '+',
  '✗': 'x',
  '●': '*',
  '○': 'o',
  '▸': '>',
  '›': '>',
  '‹': '<',
  '→': '>',
  '←': '<',
  '↑': '^',
  '↓': 'v',
  '│': '|',
  '─': '-',
  '–': '-',
  '…': '~',
  '×': 'x',
};

/**
 * A frame for a terminal that knows ASCII only: every sign has its word beside it, and every column
 * stays where it is.
 */
export const toAscii = (frame: string): string =>
  frame.replace(/[^\p{ASCII}]+/gu, (text) =>
    [...graphemes(text)]
      .map(({ segment }) => drawn[segment] ?? '?'.repeat(widthOf(segment)))
      .join(''),
  );

/**
 * Whether the locale says that the terminal knows ASCII only. Where nothing is set, as in many
 * containers, the terminal outside is not what the locale speaks of.
 */
export function knowsAsciiOnly({ LC_ALL, LC_CTYPE, LANG }: NodeJS.ProcessEnv): boolean {
  const locale = [LC_ALL, LC_CTYPE, LANG].find((one) => one !== undefined && one !== '');
  return locale !== undefined && !/utf-?8/i.test(locale);
}
