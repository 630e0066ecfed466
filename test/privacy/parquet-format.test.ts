import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatProblem, kind, Reader, Struct } from '../../src/engine/thrift.js';
import { codecOf } from '../../src/privacy/parquet/codecs.js';
import { bitsOf, decodeRuns, encodeRuns } from '../../src/privacy/parquet/runs.js';
import { encoding, filterPlain, filterValues, physical } from '../../src/privacy/parquet/values.js';

/** Bytes that repeat, which is what is there to compress, and some that do not. */
const bytes = fc
  .array(
    fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 400 })),
    { maxLength: 12 },
  )
  .map((parts) =>
    Buffer.concat(parts.flatMap(([part, times]) => Array.from({ length: times }, () => part))),
  );

describe('the Parquet format', () => {
  it.each([
    ['UNCOMPRESSED', 0],
    ['SNAPPY', 1],
    ['GZIP', 2],
    ['BROTLI', 4],
    ['ZSTD', 6],
    ['LZ4_RAW', 7],
  ])('%s gives back what was compressed', async (_name, number) => {
    const codec = await codecOf(number);
    await fc.assert(
      fc.asyncProperty(bytes, async (raw) => {
        const packed = await codec.compress(raw);
        expect((await codec.decompress(packed, raw.length)).equals(raw)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it.each([1, 2, 4, 6, 7])(
    'codec %i refuses bytes that are damaged or have another size',
    async (number) => {
      const codec = await codecOf(number);
      const packed = await codec.compress(Buffer.from('a text '.repeat(50)));
      await expect(codec.decompress(packed, 351)).rejects.toThrow(FormatProblem);
      await expect(codec.decompress(packed, 349)).rejects.toThrow(FormatProblem);
      await expect(codec.decompress(packed.subarray(0, 9), 350)).rejects.toThrow(FormatProblem);
      await expect(codec.decompress(Buffer.alloc(0), 350)).rejects.toThrow(FormatProblem);
      expect(await codec.decompress(Buffer.alloc(0), 0)).toHaveLength(0);
    },
  );

  it('runs and packed groups give back every value of every width', () => {
    const widths = fc.integer({ min: 0, max: 32 }).chain((width) => {
      const value = fc.integer({ min: 0, max: 2 ** width - 1 });
      const runs = fc.array(fc.tuple(value, fc.integer({ min: 1, max: 30 })), { maxLength: 40 });
      return fc.tuple(fc.constant(width), runs);
    });
    fc.assert(
      fc.property(widths, ([width, runs]) => {
        const values = Uint32Array.from(
          runs.flatMap(([value, times]) => Array.from({ length: times }, () => value)),
        );
        expect(decodeRuns(encodeRuns(values, width), width, values.length)).toEqual(values);
      }),
    );
    expect([0, 1, 2, 3, 255, 256].map(bitsOf)).toEqual([0, 1, 2, 2, 8, 9]);
  });

  it('a footer is written as it was read, with numbers of all sizes and what is not known', () => {
    const inner = new Struct();
    inner.setBytes(40, Buffer.from('text'));
    const struct = new Struct();
    for (const [index, value] of [0, -1, 300, 2 ** 40, -(2 ** 52)].entries()) {
      struct.setInt(index * 20 + 1, value);
    }
    struct.setFlag(2, true);
    struct.setFlag(3, false);
    struct.setList(
      5,
      kind.struct,
      Array.from({ length: 20 }, () => inner),
    );
    const encoded = struct.encode();
    expect(new Reader(encoded).struct().encode().equals(encoded)).toBe(true);
    expect(new Reader(encoded).struct().number(61)).toBe(2 ** 40);
    // Unknown to the format: a map, a double and a number beyond 2^53, in a field with a high id.
    const raw = Buffer.from('4c16feffffffffffffffff011b01880161016217000000000000f03f0000', 'hex');
    expect(new Reader(raw).struct().encode()).toEqual(raw);
    expect(() => new Reader(encoded.subarray(0, -3)).struct()).toThrow(FormatProblem);
  });

  it('values that go are told of, and the others stay in their order', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.boolean())), (values) => {
        const plain = (texts: readonly string[]) =>
          Buffer.concat(
            texts.flatMap((text) => {
              const length = Buffer.alloc(4);
              length.writeUInt32LE(Buffer.byteLength(text));
              return [length, Buffer.from(text)];
            }),
          );
        const gone: string[] = [];
        const left = filterPlain(
          plain(values.map(([text]) => text)),
          { type: physical.bytes, length: 0 },
          {
            keep: Uint8Array.from(values, ([, stays]) => (stays ? 1 : 0)),
            onGone: (value) => gone.push(value.toString()),
          },
        );
        expect(left).toEqual(plain(values.filter(([, stays]) => stays).map(([text]) => text)));
        expect(gone).toEqual(values.filter(([, stays]) => !stays).map(([text]) => text));
      }),
    );
  });

  it('a page that is too short is a problem of the file', () => {
    const choice = { keep: new Uint8Array(9).fill(1), onGone: () => undefined };
    for (const of of [encoding.plain, encoding.split]) {
      const from = { encoding: of, type: { type: physical.double, length: 0 } };
      expect(() => filterValues(Buffer.alloc(64), from, choice)).toThrow(FormatProblem);
    }
  });
});
