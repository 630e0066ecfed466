import type { FileHandle } from 'node:fs/promises';
import { fileField, readFooter, schemaField } from '../../engine/parquet-footer.js';
import { FormatProblem, type Struct } from '../../engine/thrift.js';
import { codecNames, hasCodec } from './codecs.js';
import { isKnownEncoding, physical, type ValueType } from './values.js';

/** Ids of the fields of the format's structs, as `parquet.thrift` numbers them. */
export const groupField = {
  columns: 1,
  bytes: 2,
  rows: 3,
  offset: 5,
  compressed: 6,
  ordinal: 7,
};
export const chunkField = {
  path: 1,
  offset: 2,
  metadata: 3,
  offsetIndex: 4,
  offsetIndexBytes: 5,
  columnIndex: 6,
  columnIndexBytes: 7,
  crypto: 8,
  encrypted: 9,
};
export const columnField = {
  type: 1,
  encodings: 2,
  codec: 4,
  values: 5,
  uncompressed: 6,
  compressed: 7,
  firstPage: 9,
  indexPage: 10,
  dictionaryPage: 11,
  statistics: 12,
  encodingStatistics: 13,
  bloom: 14,
  bloomBytes: 15,
  sizes: 16,
  geography: 17,
};
/** What a column of values is, as the schema has it. */
export interface Leaf extends ValueType {
  /** The top-level column it belongs to. */
  top: string;
  /** Whether that can be null. */
  nullable: boolean;
  maxDefinition: number;
  maxRepetition: number;
}

export interface ParquetFile {
  handle: FileHandle;
  bytes: number;
  metadata: Struct;
  leaves: Leaf[];
}

export interface ChunkPlace {
  start: number;
  length: number;
}

/** @throws FormatProblem for what cannot be taken apart: encrypted files, unknown codecs, … */
export async function readParquetFile(handle: FileHandle): Promise<ParquetFile> {
  const { bytes, metadata } = await readFooter(handle);
  const leaves = leavesOf(metadata.structs(fileField.schema));
  for (const group of metadata.structs(fileField.groups)) {
    const chunks = group.structs(groupField.columns);
    if (chunks.length !== leaves.length) throw new FormatProblem('its footer is incomplete');
    chunks.forEach(requireReadable);
  }
  return { handle, bytes, metadata, leaves };
}

function requireReadable(chunk: Struct): void {
  const column = chunk.struct(chunkField.metadata);
  if (chunk.has(chunkField.path)) throw new FormatProblem('it points to columns in other files');
  if (column === undefined || chunk.has(chunkField.crypto) || chunk.has(chunkField.encrypted)) {
    throw new FormatProblem('it is encrypted');
  }
  const codec = column.number(columnField.codec);
  if (!hasCodec(codec)) {
    throw new FormatProblem(`its codec ${codecNames[codec] ?? codec} cannot be written`);
  }
  for (const number of column.list(columnField.encodings)) {
    if (!isKnownEncoding(Number(number))) {
      throw new FormatProblem(`it has pages in encoding ${Number(number)}`);
    }
  }
}

const [optional, repeated] = [1, 2];

function leavesOf(schema: readonly Struct[]): Leaf[] {
  const leaves: Leaf[] = [];
  let at = 1;
  const walk = (above: Omit<Leaf, 'type' | 'length'> | undefined): void => {
    const element = schema[at++];
    if (element === undefined) throw new FormatProblem('its schema is incomplete');
    const repetition = element.int(schemaField.repetition) ?? 0;
    const name = element.bytes(schemaField.name)?.toString() ?? '';
    const here = {
      top: above?.top ?? name,
      nullable: above?.nullable ?? repetition === optional,
      maxDefinition: (above?.maxDefinition ?? 0) + (repetition === 0 ? 0 : 1),
      maxRepetition: (above?.maxRepetition ?? 0) + (repetition === repeated ? 1 : 0),
    };
    const type = element.int(schemaField.type);
    if (type === undefined) {
      const children = element.int(schemaField.children) ?? 0;
      for (let index = 0; index < children; index += 1) walk(here);
      return;
    }
    if (type > physical.fixed) throw new FormatProblem(`it has a column of unknown type ${type}`);
    leaves.push({ ...here, type, length: element.int(schemaField.length) ?? 0 });
  };
  const top = schema[0]?.int(schemaField.children) ?? 0;
  for (let index = 0; index < top; index += 1) walk(undefined);
  if (at !== schema.length && schema.length > 0) throw new FormatProblem('its schema is damaged');
  return leaves;
}

/** Where the pages of a column of a row group lie, its dictionary included. */
export function placeOf(chunk: Struct): ChunkPlace {
  const column = columnOf(chunk);
  const first = column.number(columnField.firstPage);
  const dictionary = column.int(columnField.dictionaryPage) ?? 0;
  return {
    start: dictionary > 0 && dictionary < first ? dictionary : first,
    length: column.number(columnField.compressed),
  };
}

/** What the footer says of a column of a row group. */
export function columnOf(chunk: Struct): Struct {
  const column = chunk.struct(chunkField.metadata);
  if (column === undefined) throw new FormatProblem('its footer is incomplete');
  return column;
}
