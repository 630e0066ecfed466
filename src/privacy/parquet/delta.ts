import { FormatProblem } from '../../engine/thrift.js';

/** Whole numbers as differences, and texts whose lengths or beginnings are. */

const mask64 = (1n << 64n) - 1n;

class Bits {
  readonly #bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  byte(): number {
    const byte = this.#bytes[this.at++];
    if (byte === undefined) throw new FormatProblem('a page of it ends too early');
    return byte;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  }

  zigzag(): bigint {
    const value = this.varint();
    return (value >> 1n) ^ -(value & 1n);
  }

  /** A value of `width` bits, the `index`th from here. */
  packed(index: number, width: number): bigint {
    const bit = index * width;
    const first = this.at + (bit >> 3);
    const last = this.at + ((bit + width + 7) >> 3);
    let value = 0n;
    for (let at = last - 1; at >= first; at -= 1) {
      value = (value << 8n) | BigInt(this.#bytes[at] ?? 0);
    }
    return (value >> BigInt(bit & 7)) & ((1n << BigInt(width)) - 1n);
  }
}

/** DELTA_BINARY_PACKED: the values, modulo 2^64, and where what follows them begins. */
export function decodeDelta(bytes: Buffer, start = 0): { values: BigInt64Array; end: number } {
  const bits = new Bits(bytes, start);
  const blockSize = Number(bits.varint());
  const miniBlocks = Number(bits.varint());
  const count = Number(bits.varint());
  const perMiniBlock = blockSize / miniBlocks;
  if (!Number.isInteger(perMiniBlock) || perMiniBlock % 8 !== 0 || perMiniBlock === 0) {
    throw new FormatProblem('a page of it is damaged');
  }
  const values = new BigInt64Array(count);
  let value = bits.zigzag();
  if (count > 0) values[0] = value;
  for (let done = 1; done < count; ) {
    const smallest = bits.zigzag();
    const widths = Array.from({ length: miniBlocks }, () => bits.byte());
    for (const width of widths) {
      // What is left of the last block is not there.
      if (done >= count) break;
      const here = Math.min(perMiniBlock, count - done);
      for (let index = 0; index < here; index += 1) {
        const next = width === 0 ? 0n : bits.packed(index, width);
        value = BigInt.asIntN(64, (value + smallest + next) & mask64);
        values[done++] = value;
      }
      bits.at += (perMiniBlock * width) / 8;
    }
  }
  return { values, end: bits.at };
}

/** DELTA_LENGTH_BYTE_ARRAY: all lengths, then all bytes. */
export function decodeDeltaLengths(bytes: Buffer, start = 0): Buffer[] {
  const { values, end } = decodeDelta(bytes, start);
  let at = end;
  return Array.from(values, (length) => {
    const from = at;
    at += Number(length);
    if (at > bytes.length || at < from) throw new FormatProblem('a page of it ends too early');
    return bytes.subarray(from, at);
  });
}

/** DELTA_BYTE_ARRAY: how much each shares with the one before, then the rest of each. */
export function decodeDeltaTexts(bytes: Buffer): Buffer[] {
  const shared = decodeDelta(bytes);
  let last: Buffer = Buffer.alloc(0);
  return decodeDeltaLengths(bytes, shared.end).map((rest, index) => {
    const same = Number(shared.values[index] ?? 0n);
    if (same > last.length) throw new FormatProblem('a page of it is damaged');
    last = same === 0 ? rest : Buffer.concat([last.subarray(0, same), rest]);
    return last;
  });
}
