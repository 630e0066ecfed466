import { literal } from '../engine/session.js';

/**
 * Telephone numbers within texts, however they are written: `+33 6 12-34…`, `0033612…`, `06 12.34…`.
 * A text names a number when it holds its last digits, separators apart. How long the country's code
 * is, nobody can tell from the digits; without it and the trunk zero, seven are left everywhere.
 */
const tailDigits = 7;

const separators = ' \t\u00a0\u202f.()/-\u2010\u2011\u2013';
const separator = '[ \\t\\x{A0}\\x{202F}.()/\\x{2010}\\x{2011}\\x{2013}-]{0,2}';
/** Without as many digits a text holds no number; in the dialect of RE2. */
const enoughDigits = `[0-9](${separator}[0-9]){${tailDigits - 1}}`;
const inPostgres = enoughDigits.replace(
  /\\x\{([0-9A-F]+)\}/g,
  (_whole, hex: string) => `\\u${hex.padStart(4, '0')}`,
);
const inScript = new RegExp(inPostgres);
const everySeparator = new RegExp(`[${separators.replace(/[-/]/g, '\\$&')}]`, 'g');

/** The digits by which a number is found in texts; undefined for one that is too short. */
export function phoneTail(number: string): string | undefined {
  const digits = number.replace(/\D/g, '').replace(/^0+/, '');
  return digits.length < tailDigits ? undefined : digits.slice(-tailDigits);
}

/** Whether a text names one of these numbers; a plain number is something else's. */
export function namesPhone(text: string, tails: readonly string[]): boolean {
  if (tails.length === 0 || /^\d*$/.test(text) || !inScript.test(text)) return false;
  const joined = text.replace(everySeparator, '');
  return tails.some((tail) => joined.includes(tail));
}

/** The same in the engine's SQL; `oneOf` says whether a text holds one of the tails. */
export const namesPhoneInEngine = (text: string, oneOf: (text: string) => string): string =>
  `CASE WHEN regexp_matches(${text}, ${literal(enoughDigits)}) AND NOT regexp_full_match(${text}, '[0-9]*')
        THEN ${oneOf(`translate(${text}, ${literal(separators)}, '')`)} ELSE false END`;

/** The same in PostgreSQL. */
export const namesPhoneInPostgres = (text: string, oneOf: (text: string) => string): string =>
  `CASE WHEN ${text} ~ ${literal(inPostgres)} AND ${text} !~ '^[0-9]*$'
        THEN ${oneOf(`translate(${text}, ${literal(separators)}, '')`)} ELSE false END`;
