import { literal } from './session.js';

/** A column's type as PostgreSQL's catalog tells it, domains resolved to what they are made of. */
export interface PostgresType {
  /** `pg_type.typname`: `int4`, `numeric`, `text`. */
  name: string;
  /** Whether it comes with PostgreSQL, and so means what its name says. */
  builtIn: boolean;
  isArray: boolean;
  /** `atttypmod` of the column, or of the domain that constrains it; -1 for none. */
  modifier: number;
}

/** Escapes of COPY's text format that texts may hold, of `escapes`. */
export type Escapes = readonly string[];

/** How the values of a column travel from PostgreSQL's COPY text format into the engine. */
export interface TypeMapping {
  /** The engine's type of the finished column. */
  engineType: string;
  /** What the CSV reader makes of the field: `engineType`, or VARCHAR when `decode` does more. */
  readType: string;
  /** What PostgreSQL is asked for, given the quoted column. */
  copyExpression(column: string): string;
  /** From the field as it was read to the value, in the engine's SQL. */
  engineExpression(field: string, escapes: Escapes): string;
  /** Whether `engineType` holds the value of a field that was read as VARCHAR and is not null. */
  fits(field: string): string;
  /** Takes the place of this mapping when values do not fit: slower, or text where absent. */
  wider?: TypeMapping;
}

const same = (expression: string): string => expression;
const always = (): string => 'true';
const castable =
  (type: string) =>
  (field: string): string =>
    `TRY_CAST(${field} AS ${type}) IS NOT NULL`;

/** A type that both sides write and read alike. */
const plain = (engineType: string): TypeMapping => ({
  engineType,
  readType: engineType,
  copyExpression: same,
  engineExpression: same,
  fits: castable(engineType),
});

const character = (one: string): string => `chr(${one.charCodeAt(0)})`;

/** Replaces every `from` in a text. */
const substitute = (text: string, from: string, to: string): string =>
  `array_to_string(string_split(${text}, ${from}), ${to})`;

const backslash = '\\\\';
const lineEnd = '\\n';

/** What each escape of COPY's text format stands for. */
const meanings: Record<string, string> = {
  [backslash]: '\\',
  [lineEnd]: '\n',
  '\\r': '\r',
  '\\t': '\t',
  '\\b': '\b',
  '\\f': '\f',
  '\\v': '\v',
};

/** Every escape of COPY's text format. */
export const escapes: readonly string[] = Object.keys(meanings);

/** What most tables hold, and nothing else. */
export const commonEscapes: Escapes = [lineEnd];

/** Part of the engine's error when a text has an escape that it was not said to have. */
export const otherEscapesMarker = 'escapes that were not expected';

/**
 * Undoes the escapes of COPY's text format. Each takes its time to plan and its memory, so only
 * those `present` are undone; a text that may hold another makes the query fail.
 */
function decodeText(field: string, present: Escapes): string {
  const others = escapes.filter((code) => !present.includes(code));
  const holdsOther = others.map((code) => `contains(${field}, ${literal(code)})`).join(' OR ');
  return `CASE WHEN NOT contains(${field}, '\\') THEN ${field}
    ${holdsOther === '' ? '' : `WHEN ${holdsOther} THEN error(${literal(otherEscapesMarker)})`}
    ELSE ${decode(field, present)} END`;
}

/**
 * By splitting and joining: an order of magnitude faster than the engine's `replace`. The character
 * 0, which no text of PostgreSQL holds, stands for the backslash until the other escapes are done.
 */
function decode(field: string, present: Escapes): string {
  const doubled = present.includes(backslash);
  let text = doubled ? substitute(field, literal(backslash), character('\0')) : field;
  for (const code of present) {
    if (code !== backslash) {
      text = substitute(text, literal(code), character(meanings[code] ?? ''));
    }
  }
  return doubled ? substitute(text, character('\0'), literal('\\')) : text;
}

const text = (copyExpression: TypeMapping['copyExpression']): TypeMapping => ({
  engineType: 'VARCHAR',
  readType: 'VARCHAR',
  copyExpression,
  engineExpression: decodeText,
  fits: always,
});

/** What PostgreSQL itself shows; for text, and for what the engine has no equal of. */
export const textMapping: TypeMapping = text(same);

/**
 * PostgreSQL writes the era last; the engine, behind the date. Left where it is, the engine would read
 * a date before Christ as one after.
 */
export const withEra = (field: string): string =>
  `CASE WHEN suffix(${field}, ' BC')
    THEN regexp_replace(${field}, '^(\\S+)(.*) BC$', '\\1 (BC)\\2') ELSE ${field} END`;

/** Dates and times of all years that the engine can hold. */
const ofAnyEra = (engineType: string): TypeMapping => ({
  engineType,
  readType: 'VARCHAR',
  copyExpression: same,
  engineExpression: (field) => `CAST(${withEra(field)} AS ${engineType})`,
  fits: (field) => castable(engineType)(withEra(field)),
});

/** The CSV reader takes times fastest, and refuses those before Christ. */
const time = (engineType: string): TypeMapping => ({
  ...plain(engineType),
  wider: ofAnyEra(engineType),
});

const blob: TypeMapping = {
  engineType: 'BLOB',
  readType: 'VARCHAR',
  copyExpression: (column) => `encode(${column}, 'hex')`,
  // PostgreSQL breaks nothing into lines in hexadecimal form.
  engineExpression: (field) => `unhex(${field})`,
  fits: always,
};

const builtIn: Record<string, TypeMapping> = {
  bool: plain('BOOLEAN'),
  int2: plain('SMALLINT'),
  int4: plain('INTEGER'),
  int8: plain('BIGINT'),
  float4: plain('FLOAT'),
  float8: plain('DOUBLE'),
  date: ofAnyEra('DATE'),
  time: plain('TIME'),
  timestamp: time('TIMESTAMP'),
  timestamptz: time('TIMESTAMP WITH TIME ZONE'),
  uuid: plain('UUID'),
  bytea: blob,
  // Sent as it is, it would be padded to its length.
  bpchar: text((column) => `${column}::text`),
};

const widestDecimal = 38;

/** Precision and scale of `numeric(p, s)`; undefined for plain `numeric`. */
function numericModifier(modifier: number): { precision: number; scale: number } | undefined {
  if (modifier < 4) return undefined;
  const packed = modifier - 4;
  // The scale is a signed number of 11 bits: numeric(2, -3) is allowed since PostgreSQL 15.
  return { precision: packed >>> 16, scale: ((packed & 0x7ff) ^ 1024) - 1024 };
}

/** The narrowest exact decimal for so many digits on either side of the point; else text. */
export function decimalMapping(integerDigits: number, scale: number, precision?: number) {
  const digits = integerDigits + scale;
  return digits > widestDecimal
    ? textMapping
    : plain(`DECIMAL(${Math.max(precision ?? widestDecimal, 1)},${scale})`);
}

/** Whether the values have to be looked at (`decimalMapping`) before the type can be mapped. */
export const isUnboundedNumeric = (type: PostgresType): boolean =>
  type.builtIn && !type.isArray && type.name === 'numeric' && type.modifier < 4;

/**
 * The lossless equivalent of a PostgreSQL type; the text form of those without one (intervals,
 * ranges, enums, types of extensions), JSON text of arrays. Plain `numeric` becomes text here.
 * `char(n)` loses the padding, as it does in every comparison of PostgreSQL.
 */
export function mapType(type: PostgresType): TypeMapping {
  // to_json keeps what to_jsonb rewrites: the spelling of json elements.
  if (type.isArray) return text((column) => `to_json(${column})::text`);
  if (!type.builtIn) return textMapping;
  if (type.name === 'numeric') {
    const declared = numericModifier(type.modifier);
    if (declared === undefined) return textMapping;
    const { precision, scale } = declared;
    const fraction = Math.max(scale, 0);
    const integer = Math.max(precision - scale, 0);
    return decimalMapping(integer, fraction, integer + fraction);
  }
  return builtIn[type.name] ?? textMapping;
}
