import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { type IdentifierKind, identifierKinds } from '../config/privacy-schema.js';
import type { Config } from '../config/schema.js';
import type { Key } from '../lake/lake.js';
import { normalForm } from './identifiers.js';
import { eraseFromJson } from './json-records.js';
import { fieldsOf, parseJsonText } from './json-text.js';
import type { Domain, PrivacyModel } from './model.js';
import type { Needles } from './needles.js';
import { namesPhone } from './phone-texts.js';
import { type TextShape, textShape } from './text-shape.js';
import type { Wanted } from './wanted.js';

/** CSV, JSON Lines and JSON, plain or compressed: raw uploads, rejects, logs. */

export type TextFormat = 'csv' | 'tsv' | 'jsonl' | 'json' | 'document';

/** Undefined for what is no text that is known here. */
export function textFormat(key: Key): TextFormat | undefined {
  const name = key.replace(/\.gz$/, '').toLowerCase();
  if (name.endsWith('.csv')) return 'csv';
  if (name.endsWith('.tsv')) return 'tsv';
  if (/\.(jsonl|ndjson)$/.test(name)) return 'jsonl';
  if (name.endsWith('.json')) return 'json';
  return /\.(txt|log|yaml|yml|md)$/.test(name) ? 'document' : undefined;
}

export interface TextResult {
  records: number;
  /** Records of the person. */
  hits: number;
  /** Records that name the person within a text of somebody else. */
  mentions: number;
  /** Fields without a class. */
  unknown: string[];
  /** Why the file cannot be read as what its name says. */
  problem: string | undefined;
  /** Why the records of the person cannot be taken out of it without loss to others. */
  stuck: string | undefined;
}

export interface TextSearch {
  format: TextFormat;
  shape: TextShape;
  needles: Needles;
  /** Texts that name the person wherever they stand, lower case. */
  within: readonly string[];
  /** Ids that name the person as a word of a text. */
  words: readonly string[];
  /** Ends of telephone numbers of the person. */
  phones: readonly string[];
  /** Whole values that name the person in any field, lower case; for files of anything. */
  exact: ReadonlySet<string>;
}

/** How the person is looked for in a file; undefined for a key that is no text. */
export function textSearch(
  key: Key,
  {
    model,
    config,
    needles,
    wanted: { exact, within, words, phones },
  }: { model: PrivacyModel; config: Config; needles: Needles; wanted: Wanted },
): TextSearch | undefined {
  const format = textFormat(key);
  if (format === undefined) return undefined;
  const shape = textShape(key, model, config);
  return { format, shape, needles, exact: new Set(exact), within, words, phones };
}

/** Reads a file record by record; with `to`, writes the records that are not the person's. */
export async function scanText(
  path: string,
  key: Key,
  search: TextSearch,
  to?: string,
): Promise<TextResult> {
  const result: TextResult = {
    records: 0,
    hits: 0,
    mentions: 0,
    unknown: [],
    problem: undefined,
    stuck: undefined,
  };
  const zipped = key.endsWith('.gz');
  const input = createReadStream(path, { highWaterMark: 1 << 18 });
  const source = zipped ? input.pipe(createGunzip()) : input;
  const sink = to === undefined ? undefined : openSink(to, zipped);
  const judge = new Judge(search, result);
  try {
    for await (const record of recordsOf(source, search.format)) {
      const rest = judge.without(record);
      if (rest !== undefined && sink !== undefined) await sink.write(rest);
      if (result.problem !== undefined) break;
    }
  } catch (error) {
    if (error instanceof DocumentTooLong) {
      result.problem = `it is one document of more than ${longestDocument / 1024 / 1024} MiB`;
    } else if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')) {
      // A stream that is no gzip, or ends early.
      result.problem = 'it is no whole gzip file';
    } else throw error;
  }
  await sink?.end();
  return result;
}

function openSink(path: string, zipped: boolean) {
  const file = createWriteStream(path);
  const head = zipped ? createGzip() : undefined;
  head?.pipe(file);
  const target = head ?? file;
  return {
    write: async (bytes: Buffer): Promise<void> => {
      if (!target.write(bytes)) await once(target, 'drain');
    },
    end: async (): Promise<void> => {
      target.end();
      await finished(file);
    },
  };
}

/** A document is judged as a whole, in memory. Bytes. */
const longestDocument = 128 * 1024 * 1024;

class DocumentTooLong extends Error {}

/** Records with their line ends, byte by byte as they are. */
async function* recordsOf(
  source: AsyncIterable<Buffer>,
  format: TextFormat,
): AsyncGenerator<Buffer> {
  const quoted = format === 'csv';
  const whole = format === 'document' || format === 'json';
  let bytes = 0;
  let rest: Buffer[] = [];
  let inside = false;
  for await (const chunk of source) {
    let from = 0;
    bytes += chunk.length;
    if (whole && bytes > longestDocument) throw new DocumentTooLong();
    if (!whole) {
      for (let at = 0; at < chunk.length; at += 1) {
        const byte = chunk[at];
        if (quoted && byte === 0x22) inside = !inside;
        else if (byte === 0x0a && !inside) {
          rest.push(chunk.subarray(from, at + 1));
          yield rest.length === 1 ? (rest[0] as Buffer) : Buffer.concat(rest);
          rest = [];
          from = at + 1;
        }
      }
    }
    if (from < chunk.length) rest.push(chunk.subarray(from));
  }
  if (rest.length > 0) yield Buffer.concat(rest);
}

/** Domains whose values are people. */
const people: readonly Domain[] = identifierKinds;

class Judge {
  readonly #search: TextSearch;
  readonly #result: TextResult;
  #header: string[] | undefined;

  constructor(search: TextSearch, result: TextResult) {
    this.#search = search;
    this.#result = result;
  }

  /** The record without what is the person's; undefined when nothing of it is left. */
  without(record: Buffer): Buffer | undefined {
    const text = record.toString('utf8');
    if (text.includes('\ufffd') || text.includes('\0')) {
      this.#result.problem = 'it is no text in UTF-8';
      return record;
    }
    if (text.trim() === '') return record;
    const { format } = this.#search;
    if (format === 'json' || format === 'jsonl') {
      const left = this.#withoutJson(text, format === 'json' ? '{}' : '');
      if (left === text) return record;
      if (left !== undefined) return left.trim() === '' ? undefined : Buffer.from(left);
    }
    const fields = this.#fields(text);
    if (fields === undefined) return record;
    this.#result.records += 1;
    const mine = format !== 'document' && fields.some(([name, value]) => this.#owns(name, value));
    if (mine) this.#result.hits += 1;
    else if (this.#mentions(text, fields)) this.#result.mentions += 1;
    return mine ? undefined : record;
  }

  /** Undefined for what is no JSON: a line cut short, a document of another kind. */
  #withoutJson(text: string, empty: string): string | undefined {
    const { shape } = this.#search;
    const outcome = eraseFromJson(
      text,
      {
        owns: (name, value) => this.#owns(name, value),
        identifies: (name) => people.includes(shape.domains.get(name) ?? ''),
        describes: shape.describes,
      },
      empty,
    );
    if (outcome === undefined) return undefined;
    this.#result.records += outcome.records;
    this.#result.hits += outcome.hits;
    this.#result.stuck ??= outcome.stuck;
    const left = (parseJsonText(outcome.text) ?? []).flatMap((value) => fieldsOf(value));
    this.#learn(left.map(([name]) => name).filter((name) => name !== ''));
    if (this.#mentions(outcome.text, left)) this.#result.mentions += 1;
    return outcome.text;
  }

  #fields(text: string): [string, string][] | undefined {
    const { format } = this.#search;
    // What is cut short still names whom it names.
    if (format !== 'csv' && format !== 'tsv') return [['', text]];
    const values = splitRow(text, format === 'tsv' ? '\t' : ',');
    if (this.#header === undefined) {
      this.#header = values.map((name) => name.replace(/^\ufeff/, '').trim());
      // An index column without a name.
      this.#learn(this.#header.filter((name) => name !== ''));
      return undefined;
    }
    return values.map((value, index) => [this.#header?.[index] ?? '', value]);
  }

  #learn(names: readonly string[]): void {
    for (const name of names) {
      if (this.#search.shape.knows(name) || this.#result.unknown.includes(name)) continue;
      this.#result.unknown.push(name);
    }
  }

  #owns(name: string, value: string): boolean {
    const { shape, needles, exact, within } = this.#search;
    const domain = shape.domains.get(name);
    if (domain !== undefined) {
      const kind = (
        domain === 'email' || domain === 'phone' ? domain : 'customer'
      ) as IdentifierKind;
      if (needles.of(domain).includes(normalForm(kind, value))) return true;
    }
    if (!shape.anyField) return false;
    const lower = value.toLowerCase();
    return exact.has(lower) || within.some((needle) => lower.includes(needle));
  }

  #mentions(text: string, fields: readonly [string, string][]): boolean {
    const { within, words, phones, exact, format } = this.#search;
    const lower = text.toLowerCase();
    if (within.some((needle) => lower.includes(needle))) return true;
    if (words.some((word) => isWord(text, word))) return true;
    if (fields.some(([, value]) => namesPhone(value, phones))) return true;
    if (format === 'document') return [...exact].some((needle) => isWord(lower, needle));
    // Documents that are keyed by people have their ids for names.
    if (fields.some(([name]) => name !== '' && exact.has(name.toLowerCase()))) return true;
    return (
      this.#search.shape.anyField && fields.some(([, value]) => exact.has(value.toLowerCase()))
    );
  }
}

/** Stands by itself: `42` is not in `1420`. */
function isWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at !== -1; at = text.indexOf(word, at + 1)) {
    const [before, after] = [text[at - 1] ?? ' ', text[at + word.length] ?? ' '];
    if (!/[\p{L}\p{N}_]/u.test(before) && !/[\p{L}\p{N}_]/u.test(after)) return true;
  }
  return false;
}

/** The values of a row of CSV or TSV. */
function splitRow(text: string, separator: string): string[] {
  const line = text.replace(/\r?\n$/, '');
  if (separator === '\t') return line.split(separator);
  const values: string[] = [];
  let value = '';
  let inside = false;
  for (let at = 0; at < line.length; at += 1) {
    const character = line[at] ?? '';
    if (inside && character === '"' && line[at + 1] === '"') {
      value += '"';
      at += 1;
    } else if (character === '"') inside = !inside;
    else if (character === separator && !inside) {
      values.push(value);
      value = '';
    } else value += character;
  }
  return [...values, value];
}
