const quote = 0x22;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** What a scan found from the start of a CSV record. */
export interface CsvScan {
  state: 'complete' | 'incomplete' | 'unterminated_quote' | 'text_after_quote';
  /** Fields so far. */
  fields: number;
  /** Behind the last byte of the record, without its line end. */
  end: number;
  /** Where the next record starts. */
  next: number;
  /** Physical lines the record takes. */
  lines: number;
  /** Whether the bytes are RFC 4180 as they stand. */
  canonical: boolean;
}

/**
 * Finds the end of the CSV record at `start`. A quote opens a quoted field only as its first byte
 * (elsewhere it is data); CR counts as part of a line end only before LF. `final`: no more bytes
 * follow, so an open quote is an error and a last line needs no line end.
 */
export function scanCsv(
  bytes: Uint8Array,
  start: number,
  delimiter: number,
  final: boolean,
): CsvScan {
  const size = bytes.length;
  const scan: CsvScan = {
    state: 'complete',
    fields: 1,
    end: size,
    next: size,
    lines: 1,
    canonical: true,
  };
  const stop = (state: CsvScan['state']): CsvScan => {
    scan.state = state;
    return scan;
  };
  let index = start;
  for (;;) {
    if (index < size && bytes[index] === quote) {
      index = skipQuoted(bytes, index + 1, scan, final);
      if (index === -1) return stop(final ? 'unterminated_quote' : 'incomplete');
      if (index >= size) return stop(final ? 'complete' : 'incomplete');
      const byte = bytes[index];
      if (byte === carriageReturn) {
        if (index + 1 >= size && !final) return stop('incomplete');
        if (index + 1 >= size || bytes[index + 1] !== lineFeed) return stop('text_after_quote');
      } else if (byte !== delimiter && byte !== lineFeed) {
        return stop('text_after_quote');
      }
    } else {
      while (index < size) {
        const byte = bytes[index];
        if (byte === delimiter || byte === lineFeed) break;
        if (byte === quote) scan.canonical = false;
        else if (byte === carriageReturn) {
          if (bytes[index + 1] === lineFeed) break;
          scan.canonical = false;
        }
        index += 1;
      }
      if (index >= size) return stop(final ? 'complete' : 'incomplete');
    }
    const byte = bytes[index];
    if (byte === delimiter) {
      scan.fields += 1;
      index += 1;
      continue;
    }
    scan.end = index;
    scan.next = byte === carriageReturn ? index + 2 : index + 1;
    return scan;
  }
}

/** Position behind the closing quote, or -1; counts the lines it passes. */
function skipQuoted(bytes: Uint8Array, from: number, scan: CsvScan, final: boolean): number {
  const size = bytes.length;
  let index = from;
  for (;;) {
    while (index < size && bytes[index] !== quote) {
      if (bytes[index] === lineFeed) scan.lines += 1;
      index += 1;
    }
    if (index >= size) return -1;
    // A quote as the last byte known: closing or the first of a pair?
    if (index + 1 >= size) return final ? size : -1;
    if (bytes[index + 1] !== quote) return index + 1;
    index += 2;
  }
}

export interface CsvField {
  bytes: Buffer;
  quoted: boolean;
}

/** The fields of a complete record (`start` to `end` of its scan), unquoted. */
export function splitCsv(bytes: Buffer, start: number, end: number, delimiter: number): CsvField[] {
  const fields: CsvField[] = [];
  let index = start;
  for (;;) {
    if (index < end && bytes[index] === quote) {
      const from = index + 1;
      let to = from;
      let doubled = false;
      while (bytes[to] !== quote || bytes[to + 1] === quote) {
        if (bytes[to] === quote) {
          doubled = true;
          to += 1;
        }
        to += 1;
      }
      const raw = bytes.subarray(from, to);
      fields.push({ quoted: true, bytes: doubled ? undouble(raw) : raw });
      index = to + 1;
    } else {
      const from = index;
      while (index < end && bytes[index] !== delimiter) index += 1;
      fields.push({ quoted: false, bytes: bytes.subarray(from, index) });
    }
    if (index >= end) return fields;
    index += 1;
  }
}

function undouble(raw: Buffer): Buffer {
  const result = Buffer.allocUnsafe(raw.length);
  let size = 0;
  for (let index = 0; index < raw.length; index += 1) {
    result[size] = raw[index] as number;
    size += 1;
    if (raw[index] === quote) index += 1;
  }
  return result.subarray(0, size);
}
