import { promisify } from 'node:util';
import { brotliCompress, brotliDecompress, constants, gunzip, gzip } from 'node:zlib';
import { FormatProblem } from '../../engine/thrift.js';
import { compressBlock, decompressBlock } from './lz4.js';

/** How the pages of a column are compressed. */
export interface Codec {
  compress(raw: Buffer): Buffer | Promise<Buffer>;
  /** @param size the bytes that come out, as the page says */
  decompress(packed: Buffer, size: number): Buffer | Promise<Buffer>;
}

/** By the numbers of the format. LZO has no free codec; LZ4 (5) is not framed alike by its writers. */
export const codecNames: Readonly<Record<number, string>> = {
  0: 'UNCOMPRESSED',
  1: 'SNAPPY',
  2: 'GZIP',
  3: 'LZO',
  4: 'BROTLI',
  5: 'LZ4',
  6: 'ZSTD',
  7: 'LZ4_RAW',
};

const brotliParameters = { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } };
const zstdLevel = 1;

async function zstd(): Promise<Codec> {
  const { default: library } = await import('@foxglove/wasm-zstd');
  await library.isLoaded;
  return {
    compress: (raw) => library.compress(raw, zstdLevel),
    decompress: (packed, size) => library.decompress(packed, size),
  };
}

/** Compiled once, not for each column. */
let snappyLoaded: Promise<Codec> | undefined;

async function snappy(): Promise<Codec> {
  const { snappyCompressor, snappyUncompressor } = await import('hysnappy');
  const [compress, decompress] = [snappyCompressor(), snappyUncompressor()];
  return {
    compress: (raw) => Buffer.from(compress(raw).buffer),
    decompress: (packed, size) => {
      // The library gives back as many bytes as it is asked for, whatever the block holds.
      if (snappyLength(packed) !== size) throw new Error('The block has another length.');
      return Buffer.from(decompress(packed, size).buffer);
    },
  };
}

/** The bytes of a block when decompressed, which stand at its beginning: seven bits a byte. */
function snappyLength(packed: Buffer): number {
  let length = 0;
  for (let index = 0; index < 5; index += 1) {
    const byte = packed.readUInt8(index);
    length += (byte & 127) * 2 ** (7 * index);
    if (byte < 128) break;
  }
  return length;
}

const same: Codec = { compress: (raw) => raw, decompress: (packed) => packed };

const byNumber: Readonly<Record<number, () => Codec | Promise<Codec>>> = {
  0: () => same,
  1: () => {
    snappyLoaded ??= snappy();
    return snappyLoaded;
  },
  2: () => ({ compress: promisify(gzip), decompress: promisify<Buffer, Buffer>(gunzip) }),
  4: () => ({
    compress: (raw) => promisify(brotliCompress)(raw, brotliParameters),
    decompress: promisify<Buffer, Buffer>(brotliDecompress),
  }),
  6: zstd,
  7: () => ({ compress: compressBlock, decompress: decompressBlock }),
};

export const hasCodec = (number: number): boolean => byNumber[number] !== undefined;

/** @throws FormatProblem for a codec that cannot be written */
export async function codecOf(number: number): Promise<Codec> {
  const make = byNumber[number];
  if (make === undefined) {
    throw new FormatProblem(`its codec ${codecNames[number] ?? number} cannot be written`);
  }
  const { compress, decompress } = await make();
  return {
    compress,
    decompress: async (packed, size) => {
      // Of nothing but nulls, some writers store no bytes rather than a block of none.
      if (packed.length === 0 && size === 0) return packed;
      let raw: Buffer;
      try {
        raw = await decompress(packed, size);
      } catch {
        throw new FormatProblem('a page of it cannot be decompressed');
      }
      if (raw.length !== size)
        throw new FormatProblem('a page of it has another size than it says');
      return raw;
    },
  };
}
