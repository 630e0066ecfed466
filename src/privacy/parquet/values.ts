import { FormatProblem } from '../../engine/thrift.js';
import { decodeDelta, decodeDeltaLengths, decodeDeltaTexts } from './delta.js';
import { bitsOf, decodeRuns, encodeRuns } from './runs.js';

/** Physical types by the numbers of the format. */
export const physical = {
  boolean: 0,
  int32: 1,
  int64: 2,
  int96: 3,
  float: 4,
  double: 5,
  bytes: 6,
  fixed: 7,
} as const;

export const encoding = {
  plain: 0,
  plainDictionary: 2,
  runs: 3,
  bitPacked: 4,
  delta: 5,
  deltaLengths: 6,
  deltaTexts: 7,
  dictionary: 8,
  split: 9,
} as const;

const known: readonly number[] = Object.values(encoding);
export const isKnownEncoding = (number: number): boolean => known.includes(number);

export const isDictionary = (number: number): boolean =>
  number === encoding.dictionary || number === encoding.plainDictionary;

export interface ValueType {
  type: number;
  /** Bytes of a value of fixed length. */
  length: number;
}

/** Bytes of every value; undefined where they have different lengths, or are bits. */
function widthOf({ type, length }: ValueType): number | undefined {
  if (type === physical.int32 || type === physical.float) return 4;
  if (type === physical.int64 || type === physical.double) return 8;
  if (type === physical.int96) return 12;
  return type === physical.fixed ? length : undefined;
}

/** Which values stay, and who is told of those that do not. */
export interface Choice {
  /** 1 for what stays. */
  keep: Uint8Array;
  onGone: (value: Buffer) => void;
}

/**
 * Leaves values out of a page. What is encoded as differences comes out plain: every page says for
 * itself how it is encoded.
 */
export function filterValues(
  bytes: Buffer,
  from: { encoding: number; type: ValueType },
  choice: Choice,
): { bytes: Buffer; encoding: number } {
  const plain = (values: readonly Buffer[]) => ({
    bytes: plainOf(keptOf(values, choice), from.type),
    encoding: encoding.plain,
  });
  switch (from.encoding) {
    case encoding.plain:
      return { bytes: filterPlain(bytes, from.type, choice), encoding: encoding.plain };
    case encoding.runs:
      return { bytes: filterRuns(bytes, choice), encoding: encoding.runs };
    case encoding.split:
      return { bytes: filterSplit(bytes, from.type, choice), encoding: encoding.split };
    case encoding.delta:
      return plain(numbersOf(bytes, widthOf(from.type) ?? 8));
    case encoding.deltaLengths:
      return plain(decodeDeltaLengths(bytes));
    case encoding.deltaTexts:
      return plain(decodeDeltaTexts(bytes));
    default:
      throw new FormatProblem(`it has pages in encoding ${from.encoding}`);
  }
}

function keptOf(values: readonly Buffer[], { keep, onGone }: Choice): Buffer[] {
  if (values.length < keep.length) throw new FormatProblem('a page of it ends too early');
  return values.filter((value, index) => {
    if (index >= keep.length) return false;
    if (keep[index] === 0) onGone(value);
    return keep[index] !== 0;
  });
}

function plainOf(values: readonly Buffer[], { type }: ValueType): Buffer {
  if (type !== physical.bytes) return Buffer.concat(values);
  return Buffer.concat(
    values.flatMap((value) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(value.length);
      return [length, value];
    }),
  );
}

function numbersOf(bytes: Buffer, width: number): Buffer[] {
  const { values } = decodeDelta(bytes);
  const all = Buffer.alloc(values.length * 8);
  for (const [index, value] of values.entries()) all.writeBigInt64LE(value, index * 8);
  return Array.from(values, (_value, index) => all.subarray(index * 8, index * 8 + width));
}

/** Also the dictionary's page. */
export function filterPlain(bytes: Buffer, type: ValueType, { keep, onGone }: Choice): Buffer {
  if (type.type === physical.boolean) return filterBits(bytes, keep, onGone);
  const width = widthOf(type);
  const parts: Buffer[] = [];
  let kept = 0;
  let at = 0;
  for (const stays of keep) {
    const head = width === undefined ? 4 : 0;
    const next = at + head + (width ?? bytes.readUInt32LE(at));
    if (next > bytes.length) throw new FormatProblem('a page of it ends too early');
    if (stays === 0) {
      if (kept < at) parts.push(bytes.subarray(kept, at));
      kept = next;
      onGone(bytes.subarray(at + head, next));
    }
    at = next;
  }
  if (kept < at) parts.push(bytes.subarray(kept, at));
  return Buffer.concat(parts);
}

function filterBits(bytes: Buffer, keep: Uint8Array, onGone: Choice['onGone']): Buffer {
  if (bytes.length * 8 < keep.length) throw new FormatProblem('a page of it ends too early');
  const bits: number[] = [];
  for (const [index, stays] of keep.entries()) {
    const bit = ((bytes[index >> 3] ?? 0) >> (index & 7)) & 1;
    if (stays === 0) onGone(Buffer.of(bit));
    else bits.push(bit);
  }
  const out = Buffer.alloc(Math.ceil(bits.length / 8));
  for (const [index, bit] of bits.entries()) {
    out[index >> 3] = (out[index >> 3] ?? 0) | (bit << (index & 7));
  }
  return out;
}

/** Booleans as runs, behind their length. */
function filterRuns(bytes: Buffer, { keep, onGone }: Choice): Buffer {
  const runs = bytes.subarray(4, 4 + bytes.readUInt32LE(0));
  const values = decodeRuns(runs, 1, keep.length);
  for (const [index, stays] of keep.entries()) {
    if (stays === 0) onGone(Buffer.of(values[index] ?? 0));
  }
  return withLength(encodeRuns(valuesKept(values, keep), 1));
}

/** The bytes behind their length, four bytes little-endian. */
export function withLength(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

const valuesKept = (values: Uint32Array, keep: Uint8Array): Uint32Array =>
  values.filter((_value, index) => keep[index] !== 0);

/** All first bytes, then all second bytes, and so on. */
function filterSplit(bytes: Buffer, type: ValueType, { keep, onGone }: Choice): Buffer {
  const width = widthOf(type);
  const count = keep.length;
  if (width === undefined || bytes.length < width * count) {
    throw new FormatProblem('a page of it is damaged');
  }
  for (const [index, stays] of keep.entries()) {
    if (stays !== 0) continue;
    const value = Array.from({ length: width }, (_, place) => bytes[place * count + index] ?? 0);
    onGone(Buffer.from(value));
  }
  const streams = Array.from({ length: width }, (_, place) =>
    bytes.subarray(place * count, (place + 1) * count).filter((_value, index) => keep[index] !== 0),
  );
  return Buffer.concat(streams);
}

/** The places in the dictionary that a page's values are at. */
export function indicesOf(bytes: Buffer, count: number): Uint32Array {
  if (count === 0) return new Uint32Array(0);
  return decodeRuns(bytes.subarray(1), bytes.readUInt8(0), count);
}

/** The values of a page as places in a dictionary of `size` values. */
export function encodeIndices(indices: Uint32Array, size: number): Buffer {
  const width = Math.max(1, bitsOf(Math.max(size - 1, 0)));
  return Buffer.concat([Buffer.of(width), encodeRuns(indices, width)]);
}
