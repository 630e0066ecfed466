import { literal } from '../engine/session.js';
import type { ColumnInfo } from './catalog.js';

/** How the text of a source becomes a value of a column's type. */
export interface ColumnCast {
  /** Engine expression over `text`; NULL when the text is no such value. */
  cast(text: string): string;
  /** `a whole number`, for reasons. */
  what: string;
  /** Type of the staging column on the server; `text` where only the server can judge. */
  stagingType: string;
  /** Whether empty text is a value of this type. */
  keepsEmpty: boolean;
}

const flag = (text: string): string =>
  `CASE WHEN lower(trim(${text})) IN ('t','true','y','yes','on','1','1.0') THEN true WHEN lower(trim(${text})) IN ('f','false','n','no','off','0','0.0') THEN false END`;

// pandas writes a whole number as 5.0 where the column has gaps.
const whole = (type: string) => (text: string) =>
  `CASE WHEN regexp_full_match(trim(${text}), '[+-]?[0-9]+(\\.0*)?') THEN TRY_CAST(split_part(trim(${text}), '.', 1) AS ${type}) END`;

const number = `'[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]{1,3})?'`;

const casts: [RegExp, (type: string) => Omit<ColumnCast, 'stagingType' | 'keepsEmpty'>][] = [
  [/^smallint$/, () => ({ cast: whole('SMALLINT'), what: 'a whole number of 2 bytes' })],
  [/^integer$/, () => ({ cast: whole('INTEGER'), what: 'a whole number of 4 bytes' })],
  [/^bigint$/, () => ({ cast: whole('BIGINT'), what: 'a whole number of 8 bytes' })],
  [
    /^numeric\((\d+),(\d+)\)$/,
    (type) => ({
      cast: (text) =>
        `CASE WHEN regexp_full_match(trim(${text}), ${number}) THEN TRY_CAST(trim(${text}) AS ${type.replace('numeric', 'DECIMAL')}) END`,
      what: `a number that fits ${type}`,
    }),
  ],
  [
    /^numeric$/,
    () => ({
      cast: (text) =>
        `CASE WHEN regexp_full_match(trim(${text}), ${number}) THEN trim(${text}) END`,
      what: 'a number',
    }),
  ],
  [
    /^(real|double precision)$/,
    (type) => ({
      cast: (text) => `TRY_CAST(trim(${text}) AS ${type === 'real' ? 'FLOAT' : 'DOUBLE'})`,
      what: 'a number',
    }),
  ],
  [/^boolean$/, () => ({ cast: flag, what: 'true or false' })],
  [/^date$/, () => ({ cast: (text) => `TRY_CAST(${text} AS DATE)`, what: 'a date' })],
  [
    /^timestamp(\(\d\))? with time zone$/,
    () => ({ cast: (text) => `TRY_CAST(${text} AS TIMESTAMPTZ)`, what: 'a time' }),
  ],
  [
    /^timestamp(\(\d\))? without time zone$/,
    () => ({ cast: (text) => `TRY_CAST(${text} AS TIMESTAMP)`, what: 'a time' }),
  ],
];

const textTypes = /^(text|character varying(\(\d+\))?|character(\(\d+\))?|citext)$/;

export const isText = (column: ColumnInfo): boolean => textTypes.test(column.type);

/** The engine's decimals hold at most 38 digits. */
const engineDigits = 38;

/** The cast for a column of the catalog. */
export function columnCast(column: ColumnInfo): ColumnCast {
  const { type } = column;
  if (isText(column)) {
    return { cast: (text) => text, what: 'text', stagingType: 'text', keepsEmpty: true };
  }
  const digits = /^numeric\((\d+),/.exec(type)?.[1];
  const entry = casts.find(([pattern]) => pattern.test(type));
  if (entry === undefined || Number(digits ?? 0) > engineDigits) {
    // Anything else travels as text, and the server judges it.
    return { cast: (text) => text, what: type, stagingType: 'text', keepsEmpty: false };
  }
  return { ...entry[1](type), stagingType: type, keepsEmpty: false };
}

/** Whether only the server can tell what is a value of the column's type. */
export const isServerJudged = (column: ColumnInfo): boolean =>
  !isText(column) && columnCast(column).stagingType === 'text';

/** Engine text: `column "price" holds "abc", which is not a number`. */
export const wrongTypeReason = (column: string, what: string, text: string): string =>
  `${literal(`column "${column}" holds "`)} || left(${text}, 60) || ${literal(`", which is not ${what}`)}`;
