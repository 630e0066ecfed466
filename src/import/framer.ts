import { isUtf8 } from 'node:buffer';
import { CanonicalWriter } from './canonical.js';
import { type CsvScan, scanCsv, splitCsv } from './csv.js';

/** How a source is cut into records. */
export type Container =
  | { kind: 'csv'; delimiter: string }
  /** Tab separated, no quoting: a quote is data, and a record is one line. */
  | { kind: 'tsv' }
  | { kind: 'jsonl' };

/** A record that could not be read. `line` counts physical lines from 1. */
export interface MalformedRecord {
  line: number;
  rule:
    | 'field_count'
    | 'unterminated_quote'
    | 'text_after_quote'
    | 'invalid_utf8'
    | 'nul_byte'
    | 'record_too_long';
  reason: string;
  /** The raw text, cut to `rejectedTextBytes`. */
  record: string;
}

/** Largest record, in bytes; a longer one is rejected, so that memory stays bounded. */
export const maximumRecordBytes = 4 << 20;
const rejectedTextBytes = 16 << 10;

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const tab = 0x09;
const space = 0x20;

/**
 * Cuts a stream of bytes into records and rewrites them as canonical CSV (RFC 4180, LF): each
 * record is one CSV record, led by the number of the physical line it starts on. CSV and TSV
 * records keep their fields (the header is taken off), a JSON line becomes one field. Blank lines
 * are no records. What is malformed goes to `onMalformed` and is left out.
 *
 * After a broken quote reading goes on at the next physical line: a stray quote costs one line,
 * not the rest of the file.
 */
export class Framer {
  /** Names of the header; undefined until it was read, and for JSON Lines. */
  header: string[] | undefined;
  /** Well-formed records written. */
  records = 0;
  malformed = 0;
  blankLines = 0;

  readonly #container: Container;
  readonly #delimiter: number;
  readonly #onMalformed: (record: MalformedRecord) => void;
  readonly #writer = new CanonicalWriter();
  #carry: Buffer = Buffer.alloc(0);
  #line = 1;
  #started = false;
  #skippingLine = false;

  constructor(container: Container, onMalformed: (record: MalformedRecord) => void) {
    this.#container = container;
    this.#delimiter = container.kind === 'csv' ? container.delimiter.charCodeAt(0) : tab;
    this.#onMalformed = onMalformed;
  }

  /** Takes bytes; returns canonical CSV, valid until the next call. */
  push(chunk: Buffer): Buffer {
    const bytes = this.#carry.length === 0 ? chunk : Buffer.concat([this.#carry, chunk]);
    this.#writer.reset();
    // Three bytes decide about a byte order mark.
    const used = !this.#started && bytes.length < 3 ? 0 : this.#frame(bytes, false);
    // A copy: the reader may reuse the chunk's memory.
    this.#carry = Buffer.from(bytes.subarray(used));
    return this.#writer.bytes();
  }

  /** Ends the input; returns the last of the canonical CSV. */
  end(): Buffer {
    this.#writer.reset();
    this.#frame(this.#carry, true);
    this.#carry = Buffer.alloc(0);
    return this.#writer.bytes();
  }

  /** Frames every complete record; returns how many bytes were used up. */
  #frame(bytes: Buffer, final: boolean): number {
    let position = 0;
    if (!this.#started && bytes.length > 0) {
      this.#started = true;
      if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) position = 3;
    }
    const linesEnd = final ? bytes.length : bytes.lastIndexOf(lineFeed) + 1;
    const lines = bytes.subarray(position, linesEnd);
    // One fast look at all lines spares a look at each record.
    const clean = isUtf8(lines) && !lines.includes(0);
    while (position < bytes.length) {
      if (this.#skippingLine) {
        const end = bytes.indexOf(lineFeed, position);
        if (end === -1) return bytes.length;
        position = end + 1;
        this.#line += 1;
        this.#skippingLine = false;
        continue;
      }
      const next =
        this.#container.kind === 'csv'
          ? this.#csvRecord(bytes, position, final, clean)
          : this.#lineRecord(bytes, position, final, clean);
      if (next === undefined) {
        if (bytes.length - position <= maximumRecordBytes) return position;
        position = this.#tooLong(bytes, position);
      } else {
        position = next;
      }
    }
    return position;
  }

  /** One record of CSV from `start`; undefined when its end is not in `bytes`. */
  #csvRecord(bytes: Buffer, start: number, final: boolean, clean: boolean): number | undefined {
    const scan = scanCsv(bytes, start, this.#delimiter, final);
    if (scan.state === 'incomplete') return undefined;
    if (scan.state === 'text_after_quote') {
      // The rejects show the whole line.
      if (!final && bytes.indexOf(lineFeed, start) === -1) return undefined;
      return this.#rejectLine(
        bytes,
        start,
        scan.state,
        `text follows the closing quote of field ${scan.fields}`,
      );
    }
    if (scan.state === 'unterminated_quote') {
      return this.#rejectLine(
        bytes,
        start,
        scan.state,
        `the quote that opens field ${scan.fields} is never closed`,
      );
    }
    if (scan.next - start > maximumRecordBytes) return this.#tooLong(bytes, start);
    if (scan.end === start) {
      this.blankLines += 1;
    } else {
      this.#takeCsv(bytes, start, scan, clean);
    }
    this.#line += scan.lines;
    return scan.next;
  }

  #takeCsv(bytes: Buffer, start: number, scan: CsvScan, clean: boolean): void {
    if (!clean && !this.#isText(bytes, start, scan.end)) return;
    if (this.header === undefined) {
      this.header = splitCsv(bytes, start, scan.end, this.#delimiter).map((field) =>
        field.bytes.toString('utf8'),
      );
      return;
    }
    if (!this.#hasAllFields(bytes, start, scan.end, scan.fields, this.header.length)) return;
    this.records += 1;
    if (scan.canonical && this.#delimiter === 0x2c) {
      this.#writer.copy(this.#line, bytes, start, scan.end);
    } else {
      this.#writer.fields(this.#line, splitCsv(bytes, start, scan.end, this.#delimiter));
    }
  }

  /** One line of TSV or JSON Lines; undefined when its end is not in `bytes`. */
  #lineRecord(bytes: Buffer, start: number, final: boolean, clean: boolean): number | undefined {
    let next = bytes.indexOf(lineFeed, start) + 1;
    if (next === 0) {
      if (!final) return undefined;
      next = bytes.length;
    }
    if (next - start > maximumRecordBytes) return this.#tooLong(bytes, start);
    let end = bytes[next - 1] === lineFeed ? next - 1 : next;
    if (end > start && bytes[end - 1] === carriageReturn) end -= 1;
    if (end === start || (this.#container.kind === 'jsonl' && isBlank(bytes, start, end))) {
      this.blankLines += 1;
    } else if (clean || this.#isText(bytes, start, end)) {
      this.#takeLine(bytes, start, end);
    }
    this.#line += 1;
    return next;
  }

  #takeLine(bytes: Buffer, start: number, end: number): void {
    if (this.#container.kind === 'jsonl') {
      this.records += 1;
      this.#writer.quoted(this.#line, bytes, start, end, -1);
      return;
    }
    if (this.header === undefined) {
      this.header = bytes.toString('utf8', start, end).split('\t');
      return;
    }
    let fields = 1;
    for (let index = start; index < end; index += 1) if (bytes[index] === tab) fields += 1;
    if (!this.#hasAllFields(bytes, start, end, fields, this.header.length)) return;
    this.records += 1;
    this.#writer.quoted(this.#line, bytes, start, end, tab);
  }

  #hasAllFields(bytes: Buffer, start: number, end: number, has: number, needs: number): boolean {
    if (has === needs) return true;
    const count = `${has} ${has === 1 ? 'field' : 'fields'}`;
    this.#reject(bytes, start, end, 'field_count', `has ${count}, the header has ${needs}`);
    return false;
  }

  #isText(bytes: Buffer, start: number, end: number): boolean {
    const record = bytes.subarray(start, end);
    if (!isUtf8(record)) {
      this.#reject(bytes, start, end, 'invalid_utf8', 'is not valid UTF-8');
      return false;
    }
    if (record.includes(0)) {
      this.#reject(bytes, start, end, 'nul_byte', 'holds a NUL byte, which no text column can');
      return false;
    }
    return true;
  }

  /** Rejects the physical line at `start` and goes on behind it, where its end is not yet known too. */
  #rejectLine(bytes: Buffer, start: number, rule: MalformedRecord['rule'], reason: string): number {
    const feed = bytes.indexOf(lineFeed, start);
    const end = feed === -1 ? bytes.length : feed;
    this.#reject(bytes, start, end, rule, reason);
    if (feed === -1) {
      this.#skippingLine = true;
      return bytes.length;
    }
    this.#line += 1;
    return feed + 1;
  }

  #tooLong(bytes: Buffer, start: number): number {
    const limit = `${maximumRecordBytes >> 20} MiB`;
    const feed = bytes.indexOf(lineFeed, start);
    const oneLine = feed === -1 || feed - start > maximumRecordBytes;
    return this.#rejectLine(
      bytes,
      start,
      oneLine ? 'record_too_long' : 'unterminated_quote',
      oneLine ? `is longer than ${limit}` : `a quoted field does not end within ${limit}`,
    );
  }

  #reject(
    bytes: Buffer,
    start: number,
    end: number,
    rule: MalformedRecord['rule'],
    reason: string,
  ): void {
    this.malformed += 1;
    const cut = Math.min(end, start + rejectedTextBytes);
    this.#onMalformed({
      line: this.#line,
      rule,
      reason,
      record: bytes.toString('utf8', start, cut),
    });
  }
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let index = start; index < end; index += 1) {
    const byte = bytes[index];
    if (byte !== space && byte !== tab && byte !== carriageReturn) return false;
  }
  return true;
}
