import { FormatProblem } from '../../engine/thrift.js';

/** Runs and bit-packed groups: levels, indices of a dictionary, and booleans. */

/** @param width bits of a value, 0 to 32 */
export function decodeRuns(bytes: Buffer, width: number, count: number): Uint32Array {
  const values = new Uint32Array(count);
  const valueBytes = Math.ceil(width / 8);
  let at = 0;
  for (let done = 0; done < count; ) {
    let head = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) throw new FormatProblem('a page of it ends too early');
      head += (byte & 127) * factor;
      if (byte < 128) break;
    }
    const length = Math.floor(head / 2);
    if (head % 2 === 0) {
      if (length === 0) throw new FormatProblem('a page of it is damaged');
      const value = valueBytes === 0 ? 0 : bytes.readUIntLE(at, valueBytes);
      at += valueBytes;
      values.fill(value, done, done + length);
      done += length;
    } else {
      const end = Math.min(count, done + length * 8);
      unpack(bytes, at, width, values, done, end);
      at += length * width;
      done = end;
    }
  }
  return values;
}

/** A last group may be cut where its padding would be. */
function unpack(
  bytes: Buffer,
  start: number,
  width: number,
  values: Uint32Array,
  from: number,
  to: number,
): void {
  const limit = 2 ** width;
  for (let index = from, bit = 0; index < to; index += 1, bit += width) {
    const at = start + (bit >> 3);
    const shift = bit & 7;
    const low =
      ((bytes[at] ?? 0) |
        ((bytes[at + 1] ?? 0) << 8) |
        ((bytes[at + 2] ?? 0) << 16) |
        ((bytes[at + 3] ?? 0) << 24)) >>>
      0;
    values[index] =
      width <= 24
        ? (low >>> shift) & (limit - 1)
        : Math.floor((low + (bytes[at + 4] ?? 0) * 2 ** 32) / 2 ** shift) % limit;
  }
}

const shortestRun = 8;

/** The other way round; values that repeat at least eight times become runs. */
export function encodeRuns(values: Uint32Array, width: number): Buffer {
  const out = Buffer.alloc(16 + Math.ceil((values.length * (width + 2)) / 8) + values.length);
  const valueBytes = Math.ceil(width / 8);
  let to = 0;
  const head = (value: number) => {
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) out[to++] = (rest & 127) | 128;
    out[to++] = rest;
  };
  const packed = (from: number, end: number) => {
    if (end === from) return;
    const groups = Math.ceil((end - from) / 8);
    head(groups * 2 + 1);
    pack(values, from, end, width, out, to);
    to += groups * width;
  };
  let pending = 0;
  for (let at = 0; at < values.length; ) {
    let run = 1;
    while (at + run < values.length && values[at + run] === values[at]) run += 1;
    if (run < shortestRun) {
      at += 8;
      continue;
    }
    packed(pending, at);
    head(run * 2);
    if (valueBytes > 0) to = out.writeUIntLE(values[at] ?? 0, to, valueBytes);
    at += run;
    pending = at;
  }
  if (pending < values.length) packed(pending, values.length);
  return out.subarray(0, to);
}

function pack(
  values: Uint32Array,
  from: number,
  to: number,
  width: number,
  out: Buffer,
  start: number,
): void {
  let [buffered, bits, at] = [0, 0, start];
  for (let index = from; index < to; index += 1) {
    buffered += (values[index] ?? 0) * 2 ** bits;
    bits += width;
    for (; bits >= 8; bits -= 8) {
      out[at++] = buffered % 256;
      buffered = Math.floor(buffered / 256);
    }
  }
  if (bits > 0) out[at] = buffered % 256;
}

/** Bits that a value up to `largest` takes. */
export const bitsOf = (largest: number): number =>
  largest === 0 ? 0 : Math.floor(Math.log2(largest)) + 1;
