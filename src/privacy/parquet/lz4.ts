/** LZ4 blocks: literals, and copies of what came up to 64 kB before. */

type Emit = (literalFrom: number, literalTo: number, offset: number, length: number) => void;

const hashBits = 14;
const longestOffset = 65_535;
/** A block ends with 5 literal bytes, and its last copy begins 12 bytes before the end or earlier. */
const lastLiterals = 5;
const lastStart = 12;

/** Greedy; gives each copy with the literals before it, then the literals that are left. */
function findCopies(raw: Buffer, emit: Emit): void {
  const table = new Int32Array(1 << hashBits).fill(-1);
  let anchor = 0;
  for (let at = 0; at < raw.length - lastStart; ) {
    const word = raw.readInt32LE(at);
    const slot = Math.imul(word, 0x9e3779b1) >>> (32 - hashBits);
    const before = table[slot] ?? -1;
    table[slot] = at;
    if (before < 0 || at - before > longestOffset || raw.readInt32LE(before) !== word) {
      // The longer nothing is found, the less closely it is looked for.
      at += 1 + ((at - anchor) >> 6);
      continue;
    }
    let length = 4;
    const most = raw.length - lastLiterals - at;
    while (length < most && raw[before + length] === raw[at + length]) length += 1;
    emit(anchor, at, at - before, length);
    at += length;
    anchor = at;
  }
  emit(anchor, raw.length, 0, 0);
}

/** Copies within the output; where the copy overlaps itself it repeats. */
function repeat(out: Buffer, at: number, offset: number, length: number): void {
  if (offset === 0 || offset > at || at + length > out.length) throw damaged();
  if (offset >= length) out.copyWithin(at, at - offset, at - offset + length);
  else
    for (let index = 0; index < length; index += 1) out[at + index] = out[at + index - offset] ?? 0;
}

const damaged = () => new Error('The block is damaged.');

/** Compresses bytes to one block. */
export function compressBlock(raw: Buffer): Buffer {
  const out = Buffer.allocUnsafe(64 + raw.length + Math.ceil(raw.length / 250));
  let to = 0;
  const more = (length: number) => {
    let rest = length;
    for (; rest >= 255; rest -= 255) out[to++] = 255;
    out[to++] = rest;
  };
  findCopies(raw, (from, end, offset, length) => {
    const literals = end - from;
    const extra = length - 4;
    out[to++] = (Math.min(literals, 15) << 4) | (length === 0 ? 0 : Math.min(extra, 15));
    if (literals >= 15) more(literals - 15);
    to += raw.copy(out, to, from, end);
    if (length === 0) return;
    to = out.writeUInt16LE(offset, to);
    if (extra >= 15) more(extra - 15);
  });
  return out.subarray(0, to);
}

/**
 * @param size the bytes that come out
 * @throws Error for a block that is damaged, or holds more or fewer bytes
 */
export function decompressBlock(packed: Buffer, size: number): Buffer {
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  let to = 0;
  const more = (length: number): number => {
    if (length < 15) return length;
    let sum = length;
    for (let byte = 255; byte === 255; sum += byte) byte = packed.readUInt8(at++);
    return sum;
  };
  while (at < packed.length) {
    const token = packed.readUInt8(at++);
    const literals = more(token >> 4);
    if (at + literals > packed.length || to + literals > size) throw damaged();
    packed.copy(out, to, at, at + literals);
    at += literals;
    to += literals;
    if (at >= packed.length) break;
    const offset = packed.readUInt16LE(at);
    at += 2;
    const length = more(token & 15) + 4;
    repeat(out, to, offset, length);
    to += length;
  }
  if (to !== size) throw damaged();
  return out;
}
