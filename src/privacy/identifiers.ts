import { type IdentifierKind, identifierKinds } from '../config/privacy-schema.js';
import { invalid } from '../system/errors.js';

/** What a person is known by. Never leaves memory in clear. */
export interface Identifiers {
  customer: string[];
  buyer: string[];
  email: string[];
  phone: string[];
}

const mostBytes = 64 * 1024;
/** Fewer digits are part of anything. */
const fewestDigits = 5;

/**
 * How identifiers of a kind are compared: ids byte by byte; addresses without case and in one
 * Unicode form; telephone numbers by their digits, 00 being the same as +.
 */
export function normalForm(kind: IdentifierKind, value: string): string {
  if (kind === 'email') return value.trim().normalize('NFC').toLowerCase();
  return kind === 'phone' ? value.replace(/\D/g, '').replace(/^00/, '') : value;
}

const none = (): Identifiers => ({ customer: [], buyer: [], email: [], phone: [] });

/**
 * Reads identifiers as they are given on standard input or in a file: lines `KIND: VALUE`, or a
 * JSON object of kinds with a text or a list of texts each, for values with line ends or spaces at
 * their ends. No message repeats a value.
 *
 * @throws IDENTIFIER_INVALID (exit 2)
 */
export function parseIdentifiers(text: string): Identifiers {
  const found = none();
  const pairs = text.trimStart().startsWith('{') ? fromJson(text) : fromLines(text);
  for (const [kind, value] of pairs) {
    const list = found[checkKind(kind)];
    checkValue(kind as IdentifierKind, value);
    if (!list.includes(value)) list.push(value);
  }
  if (identifierKinds.every((kind) => found[kind].length === 0)) {
    throw wrong('No identifier was given.');
  }
  return found;
}

function fromLines(text: string): [string, string][] {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  return lines.map((line, index) => {
    const colon = line.indexOf(':');
    if (colon < 1) throw wrong(`Line ${index + 1} is no KIND: VALUE.`);
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
}

function fromJson(text: string): [string, string][] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // The parser's message quotes what it read.
    throw wrong('What was given is no valid JSON.');
  }
  return Object.entries(parsed as object).flatMap(([kind, value]: [string, unknown]) =>
    (Array.isArray(value) ? value : [value]).map((one: unknown): [string, string] => {
      if (typeof one !== 'string') throw wrong(`A value of ${JSON.stringify(kind)} is no text.`);
      return [kind, one];
    }),
  );
}

function checkKind(kind: string): IdentifierKind {
  const known = identifierKinds.find((name) => name === kind.toLowerCase());
  if (known !== undefined) return known;
  throw wrong(`The kind of an identifier is one of ${identifierKinds.join(', ')}.`);
}

function checkValue(kind: IdentifierKind, value: string): void {
  const refuse = (what: string) => {
    throw wrong(`An identifier of kind ${kind} ${what}.`);
  };
  if (value === '') refuse('is empty');
  if (value.includes('\0')) refuse('holds the character NUL, which no text of a database can hold');
  if (/\p{Surrogate}/u.test(value)) refuse('is no valid Unicode text');
  if (Buffer.byteLength(value) > mostBytes) refuse(`is longer than ${mostBytes} bytes`);
  if (kind === 'email' && !/^\S+@\S+$/.test(value.trim())) refuse('is no e-mail address');
  if (kind === 'phone' && normalForm('phone', value).length < fewestDigits) {
    refuse(`has fewer than ${fewestDigits} digits`);
  }
}

const wrong = (message: string) =>
  invalid('IDENTIFIER_INVALID', message, {
    hint: 'Give them on standard input or in a file, one a line, such as `email: ada@example.org`, or as a JSON object.',
  });
