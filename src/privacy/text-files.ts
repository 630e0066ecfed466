import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { type IdentifierKind, identifierKinds } from '../config/privacy-schema.js';
import type { Config } from '../config/schema.js';
import type { Key } from '../lake/lake.js';
import { logsPrefix } from '../lake/layout.js';
import { normalForm } from './identifiers.js';
import type { Domain, PrivacyModel } from './model.js';
import type { Needles } from './needles.js';
import type { Wanted } from './wanted.js';

/** CSV and JSON Lines, plain or compressed: raw uploads, rejects, logs. */

export type TextFormat = 'csv' | 'tsv' | 'jsonl' | 'document';

/** Undefined for what is no text that is known here. */
export function textFormat(key: Key): TextFormat | undefined {
  const name = key.replace(/\.gz$/, '').toLowerCase();
  if (name.endsWith('.csv')) return 'csv';
  if (name.endsWith('.tsv')) return 'tsv';
  if (/\.(jsonl|ndjson)$/.test(name)) return 'jsonl';
  return /\.(json|txt|log|yaml|yml|md)$/.test(name) ? 'document' : undefined;
}

/** What the fields of a text file hold, by name. */
export interface TextShape {
  /** All fields are texts that may name anybody: logs, rejects. */
  anyField: boolean;
  domains: ReadonlyMap<string, Domain>;
  /** Whether a field has a class. */
  knows: (field: string) => boolean;
}

/**
 * What the configuration says of a file; else fields are known by the names of the source's
 * columns. Logs and rejects hold whatever was in the way.
 */
export function textShape(key: Key, model: PrivacyModel, config: Config): TextShape {
  const given = config.privacy.files.find(({ match }) => globPattern(match).test(key));
  const domains = new Map<string, Domain>();
  const known = new Set<string>();
  for (const { columns, owning } of model.tables) {
    for (const { name, class: dataClass } of columns) if (dataClass !== undefined) known.add(name);
    for (const { column, domain } of owning) domains.set(column, domain);
  }
  for (const [field, holds] of Object.entries(given?.identifiers ?? {})) {
    known.add(field);
    domains.set(field, domainNamed(holds, model, config));
  }
  const classes = given?.columns ?? {};
  const anyField = key.startsWith(logsPrefix) || key.startsWith('state/');
  return {
    anyField,
    domains,
    knows: (field) =>
      anyField || known.has(field) || (classes[field] ?? classes['*']) !== undefined,
  };
}

function domainNamed(holds: string, { tables }: PrivacyModel, { source }: Config): Domain {
  const kind = identifierKinds.find((name) => name === holds);
  const owner = tables.flatMap(({ owning }) => owning).find(({ via }) => via === kind);
  if (kind !== undefined) return owner?.domain ?? kind;
  const [table = '', column = ''] = holds.split('.');
  const found = tables
    .find(({ id }) => id === `${source.schema}.${table}`)
    ?.columns.find(({ name }) => name === column);
  return found?.domain ?? holds;
}

/** `*` within a part of the key, `**` across parts. */
export function globPattern(glob: string): RegExp {
  const parts = glob.split(/(\*\*\/?|\*)/).map((part) => {
    if (part.startsWith('**')) return '.*';
    return part === '*' ? '[^/]*' : part.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('')}$`);
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
}

export interface TextSearch {
  format: TextFormat;
  shape: TextShape;
  needles: Needles;
  /** Texts that name the person wherever they stand, lower case. */
  within: readonly string[];
  /** Ids that name the person as a word of a text. */
  words: readonly string[];
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
    wanted: { exact, within, words },
  }: { model: PrivacyModel; config: Config; needles: Needles; wanted: Wanted },
): TextSearch | undefined {
  const format = textFormat(key);
  if (format === undefined) return undefined;
  const shape = textShape(key, model, config);
  return { format, shape, needles, exact: new Set(exact), within, words };
}

/** Reads a file record by record; with `to`, writes the records that are not the person's. */
export async function scanText(
  path: string,
  key: Key,
  search: TextSearch,
  to?: string,
): Promise<TextResult> {
  const result: TextResult = { records: 0, hits: 0, mentions: 0, unknown: [], problem: undefined };
  const zipped = key.endsWith('.gz');
  const input = createReadStream(path, { highWaterMark: 1 << 18 });
  const source = zipped ? input.pipe(createGunzip()) : input;
  const sink = to === undefined ? undefined : openSink(to, zipped);
  const judge = new Judge(search, result);
  try {
    for await (const record of recordsOf(source, search.format)) {
      const mine = judge.isPersons(record);
      if (!mine && sink !== undefined) await sink.write(record);
      if (result.problem !== undefined) break;
    }
  } catch (error) {
    // A stream that is no gzip, or ends early.
    if (!(error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')))
      throw error;
    result.problem = 'it is no whole gzip file';
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

/** Records with their line ends, byte by byte as they are. */
async function* recordsOf(
  source: AsyncIterable<Buffer>,
  format: TextFormat,
): AsyncGenerator<Buffer> {
  const quoted = format === 'csv';
  let rest: Buffer[] = [];
  let inside = false;
  for await (const chunk of source) {
    let from = 0;
    if (format !== 'document') {
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

class Judge {
  readonly #search: TextSearch;
  readonly #result: TextResult;
  #header: string[] | undefined;

  constructor(search: TextSearch, result: TextResult) {
    this.#search = search;
    this.#result = result;
  }

  isPersons(record: Buffer): boolean {
    const text = record.toString('utf8');
    if (text.includes('\ufffd') || text.includes('\0')) {
      this.#result.problem = 'it is no text in UTF-8';
      return false;
    }
    const fields = this.#fields(text);
    if (fields === undefined) return false;
    this.#result.records += 1;
    const mine =
      this.#search.format !== 'document' && fields.some(([name, value]) => this.#owns(name, value));
    if (mine) this.#result.hits += 1;
    else if (this.#mentions(text, fields)) this.#result.mentions += 1;
    return mine;
  }

  #fields(text: string): [string, string][] | undefined {
    const { format } = this.#search;
    if (text.trim() === '') return undefined;
    if (format === 'document') return [['', text]];
    if (format === 'jsonl') {
      try {
        const fields = flatten('', JSON.parse(text));
        this.#learn(fields.map(([name]) => name));
        return fields;
      } catch {
        // A line cut short still names whom it names.
        return [['', text]];
      }
    }
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
    const { within, words, exact, format } = this.#search;
    const lower = text.toLowerCase();
    if (within.some((needle) => lower.includes(needle))) return true;
    if (words.some((word) => isWord(text, word))) return true;
    if (format === 'document') return [...exact].some((needle) => isWord(lower, needle));
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

/** Every value in a JSON value with the name of its own field. */
function flatten(name: string, value: unknown): [string, string][] {
  if (Array.isArray(value)) return value.flatMap((one) => flatten(name, one));
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([field, one]) => flatten(field, one));
  }
  return value === null || value === undefined ? [[name, '']] : [[name, String(value)]];
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
