import type { CsvField } from './csv.js';

const quote = 0x22;
const comma = 0x2c;
const lineFeed = 0x0a;
/** A line number, its comma, quotes and the line end. */
const overhead = 32;

/** Writes canonical CSV records into one buffer that is used again and again. */
export class CanonicalWriter {
  #out = Buffer.allocUnsafe(1 << 20);
  #size = 0;

  reset(): void {
    this.#size = 0;
  }

  bytes(): Buffer {
    return this.#out.subarray(0, this.#size);
  }

  /** A record that is canonical already. */
  copy(line: number, bytes: Buffer, start: number, end: number): void {
    this.#reserve(end - start + overhead);
    this.#lineNumber(line);
    bytes.copy(this.#out, this.#size, start, end);
    this.#size += end - start;
    this.#byte(lineFeed);
  }

  /** Raw text, quoted; a byte equal to `separator` ends a field (-1: there is one field only). */
  quoted(line: number, bytes: Buffer, start: number, end: number, separator: number): void {
    this.#reserve((end - start) * 3 + overhead);
    this.#lineNumber(line);
    const out = this.#out;
    let size = this.#size;
    out[size++] = quote;
    for (let index = start; index < end; index += 1) {
      const byte = bytes[index] as number;
      if (byte === separator) {
        out[size++] = quote;
        out[size++] = comma;
      }
      out[size++] = byte === separator ? quote : byte;
      if (byte === quote) out[size++] = quote;
    }
    out[size++] = quote;
    out[size++] = lineFeed;
    this.#size = size;
  }

  /** Fields; one that was empty and not quoted stays so: it reads as NULL. */
  fields(line: number, fields: readonly CsvField[]): void {
    this.#reserve(overhead);
    this.#lineNumber(line);
    fields.forEach((field, index) => {
      this.#reserve(field.bytes.length * 2 + 4);
      if (index > 0) this.#byte(comma);
      if (field.bytes.length === 0 && !field.quoted) return;
      this.#byte(quote);
      for (const byte of field.bytes) {
        this.#byte(byte);
        if (byte === quote) this.#byte(quote);
      }
      this.#byte(quote);
    });
    this.#byte(lineFeed);
  }

  #byte(byte: number): void {
    this.#out[this.#size] = byte;
    this.#size += 1;
  }

  /** The number in decimal, and a comma. */
  #lineNumber(line: number): void {
    let digits = 1;
    for (let rest = line; rest >= 10; rest = Math.floor(rest / 10)) digits += 1;
    let rest = line;
    for (let place = this.#size + digits - 1; place >= this.#size; place -= 1) {
      this.#out[place] = 0x30 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    this.#size += digits;
    this.#byte(comma);
  }

  #reserve(bytes: number): void {
    const needed = this.#size + bytes;
    if (needed <= this.#out.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#out.length * 2));
    this.#out.copy(larger, 0, 0, this.#size);
    this.#out = larger;
  }
}
