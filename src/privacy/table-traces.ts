import type { DatabaseClient } from '../database/client.js';
import { quoteIdentifier, quoteTable } from '../database/identifiers.js';
import type { Condition } from './database-finder.js';
import type { ModelTable } from './model.js';
import { namesPhoneInPostgres } from './phone-texts.js';
import type { Wanted } from './wanted.js';

/** Rows of a table in which an identifier of the person stands. */
export interface TraceCounts {
  /** Where a whole value is one. */
  found: number;
  /** Where it stands within a text. */
  mentioned: number;
}

/**
 * Whether a whole value of a column that is an identifier makes the row the person's: numbers of
 * other things may be equal, and a text is what somebody wrote.
 */
export const comparesIds = (dataClass: string | undefined): boolean =>
  dataClass !== 'none' && dataClass !== 'free-text';

const isTextual = (type: string): boolean =>
  !/^(boolean|timestamp|date|time|double|real|bytea)/.test(type);

/**
 * Reads every text of a table, whatever the links say. `except` leaves rows out: those of the
 * person, where others are looked for. Undefined for a table without texts.
 */
export async function tableTraces(
  client: DatabaseClient,
  table: ModelTable,
  { exact, within, words, phones }: Wanted,
  except: Condition | undefined,
): Promise<TraceCounts | undefined> {
  const texts = table.columns.filter(({ typeName }) => isTextual(typeName));
  if (texts.length === 0) return undefined;
  const ids = texts.filter((column) => comparesIds(column.class));
  const values: unknown[] = [...(except?.values ?? [])];
  const bind = (value: unknown): string => `$${values.push(value)}`;
  const plain = ({ name }: { name: string }) => `${quoteIdentifier(name)}::text`;
  const lower = (column: { name: string }) => `lower(${plain(column)})`;
  const whole = anyOf(ids.map((column) => `${lower(column)} = ANY (${bind(exact)}::text[])`));
  const equal = anyOf(
    texts
      .filter((column) => column.class === 'free-text')
      .map((column) => `${lower(column)} = ANY (${bind(exact)}::text[])`),
  );
  const part = `EXISTS (SELECT FROM unnest(${bind(within)}::text[]) AS x (needle) WHERE ${anyOf(
    texts.map((column) => `position(needle in ${lower(column)}) > 0`),
  )})`;
  const word = `EXISTS (SELECT FROM unnest(${bind(words)}::text[], ${bind(words.map(asWord))}::text[]) AS x (needle, pattern) WHERE ${anyOf(
    texts.map(
      (column) =>
        // Only where the text holds it at all is the pattern worth a look.
        `CASE WHEN position(needle in ${plain(column)}) > 0 THEN ${plain(column)} ~ pattern ELSE false END`,
    ),
  )})`;
  const called = phones.length === 0 ? [] : texts.filter(mayHoldPhone);
  // Only what is used may be bound.
  const tails = called.length === 0 ? '' : bind(phones);
  const phone = anyOf(
    called.map((column) =>
      namesPhoneInPostgres(
        plain(column),
        (text) =>
          `EXISTS (SELECT FROM unnest(${tails}::text[]) AS x (tail) WHERE position(tail in ${text}) > 0)`,
      ),
    ),
  );
  const [row] = await client.query<{ found: string; mentioned: string }>(
    `SELECT count(*) FILTER (WHERE whole) AS found, count(*) FILTER (WHERE part AND NOT whole) AS mentioned
     FROM (SELECT coalesce(${whole}, false) AS whole, coalesce(${equal} OR ${part} OR ${word} OR ${phone}, false) AS part
           FROM ${quoteTable(table.schema, table.name)}
           WHERE ${except === undefined ? 'true' : `NOT coalesce(${except.sql}, false)`}) AS rows`,
    values,
  );
  return { found: Number(row?.found ?? 0), mentioned: Number(row?.mentioned ?? 0) };
}

const mayHoldPhone = ({ typeName, class: dataClass }: ModelTable['columns'][number]): boolean =>
  dataClass !== 'none' && /char|text|json/.test(typeName);

/** An id that stands by itself, as a pattern of PostgreSQL: `42` is not in `1420`. */
const asWord = (id: string): string =>
  `(?<![[:alnum:]_])${id.replace(/[^\p{L}\p{N}_]/gu, '\\$&')}(?![[:alnum:]_])`;

export const anyOf = (parts: readonly string[]): string =>
  parts.length === 0 ? 'false' : `(${parts.join(' OR ')})`;
