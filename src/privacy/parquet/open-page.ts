import { FormatProblem, kind, type Struct } from '../../engine/thrift.js';
import type { Codec } from './codecs.js';
import type { Leaf } from './file.js';
import { type Page, pageField, pageType } from './pages.js';
import { bitsOf, decodeRuns, encodeRuns } from './runs.js';
import { encoding, withLength } from './values.js';

/** The parts of a page of data. Levels are missing where a column has none. */
export interface PageParts {
  /** Values, nulls and empty lists. */
  count: number;
  repetition: Uint32Array | undefined;
  definition: Uint32Array | undefined;
  encoding: number;
  values: Buffer;
}

const v1 = { count: 1, encoding: 2, definition: 3, repetition: 4, statistics: 5 };
const v2 = {
  count: 1,
  nulls: 2,
  rows: 3,
  encoding: 4,
  definitionBytes: 5,
  repetitionBytes: 6,
  compressed: 7,
  statistics: 8,
};

/** What the head of a page of data says. */
export function dataHeader({ header, type }: Page): {
  head: Struct;
  count: number;
  encoding: number;
  /** Only the second version of pages says it. */
  rows: number | undefined;
} {
  const head = header.struct(type === pageType.dataV2 ? pageField.dataV2 : pageField.data);
  if (head === undefined) throw new FormatProblem('a page of it has no head');
  const second = type === pageType.dataV2;
  return {
    head,
    count: head.number(second ? v2.count : v1.count),
    encoding: head.number(second ? v2.encoding : v1.encoding),
    rows: second ? head.number(v2.rows) : undefined,
  };
}

/** @throws FormatProblem for levels in an encoding that has long been given up */
export function requireLevels(page: Page, leaf: Leaf): void {
  if (page.type === pageType.dataV2) return;
  const { head } = dataHeader(page);
  const old =
    (leaf.maxDefinition > 0 && head.number(v1.definition) !== encoding.runs) ||
    (leaf.maxRepetition > 0 && head.number(v1.repetition) !== encoding.runs);
  if (old) throw new FormatProblem('its levels are in an old encoding');
}

/**
 * A data page taken apart: levels (undefined where the column has none) and encoded values.
 *
 * @throws FormatProblem
 */
export async function openPage(
  page: Page,
  body: Buffer,
  leaf: Leaf,
  codec: Codec,
): Promise<PageParts> {
  const { head, count, encoding: of } = dataHeader(page);
  const widths = { repetition: bitsOf(leaf.maxRepetition), definition: bitsOf(leaf.maxDefinition) };
  if (page.type === pageType.dataV2) {
    const [first, second] = [head.number(v2.repetitionBytes), head.number(v2.definitionBytes)];
    const packed = body.subarray(first + second);
    const plain = head.flag(v2.compressed) === false || packed.length === 0;
    return {
      count,
      encoding: of,
      repetition: levels(body.subarray(0, first), widths.repetition, count),
      definition: levels(body.subarray(first, first + second), widths.definition, count),
      values: plain ? packed : await codec.decompress(packed, page.uncompressed - first - second),
    };
  }
  requireLevels(page, leaf);
  let rest = await codec.decompress(body, page.uncompressed);
  const next = (width: number): Uint32Array | undefined => {
    if (width === 0) return undefined;
    const end = 4 + rest.readUInt32LE(0);
    const bytes = rest.subarray(4, end);
    rest = rest.subarray(end);
    return levels(bytes, width, count);
  };
  return {
    count,
    encoding: of,
    repetition: next(widths.repetition),
    definition: next(widths.definition),
    values: rest,
  };
}

const levels = (bytes: Buffer, width: number, count: number): Uint32Array | undefined =>
  width === 0 ? undefined : decodeRuns(bytes, width, count);

/** Head and body of a page with other parts; what its statistics said no longer holds. */
export async function closePage(
  page: Page,
  parts: PageParts & { rows: number; nulls: number },
  leaf: Leaf,
  codec: Codec,
): Promise<{ header: Struct; body: Buffer; uncompressed: number }> {
  const header = page.header.copy();
  const { head } = dataHeader({ ...page, header });
  const repetition = encodeLevels(parts.repetition, leaf.maxRepetition);
  const definition = encodeLevels(parts.definition, leaf.maxDefinition);
  if (page.type === pageType.dataV2) {
    head.setInt(v2.count, parts.count, kind.i32);
    head.setInt(v2.nulls, parts.nulls, kind.i32);
    head.setInt(v2.rows, parts.rows, kind.i32);
    head.setInt(v2.encoding, parts.encoding, kind.i32);
    head.setInt(v2.definitionBytes, definition.length, kind.i32);
    head.setInt(v2.repetitionBytes, repetition.length, kind.i32);
    head.remove(v2.statistics);
    const compressed = head.flag(v2.compressed) !== false && parts.values.length > 0;
    head.setFlag(v2.compressed, compressed);
    const values = compressed ? await codec.compress(parts.values) : parts.values;
    return {
      header,
      body: Buffer.concat([repetition, definition, values]),
      uncompressed: repetition.length + definition.length + parts.values.length,
    };
  }
  head.setInt(v1.count, parts.count, kind.i32);
  head.setInt(v1.encoding, parts.encoding, kind.i32);
  head.remove(v1.statistics);
  const raw = Buffer.concat([
    ...(leaf.maxRepetition > 0 ? [withLength(repetition)] : []),
    ...(leaf.maxDefinition > 0 ? [withLength(definition)] : []),
    parts.values,
  ]);
  return { header, body: await codec.compress(raw), uncompressed: raw.length };
}

const encodeLevels = (values: Uint32Array | undefined, largest: number): Buffer =>
  values === undefined ? Buffer.alloc(0) : encodeRuns(values, bitsOf(largest));
