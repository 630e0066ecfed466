import { fileField, magic, readAt, schemaField } from '../../engine/parquet-footer.js';
import { FormatProblem, kind, Reader, type Struct } from '../../engine/thrift.js';
import { editChunk } from './chunk.js';
import {
  chunkField,
  columnField,
  columnOf,
  groupField,
  type Leaf,
  type ParquetFile,
  placeOf,
} from './file.js';
import { dataHeader, requireLevels } from './open-page.js';
import { pagesOf, pageType } from './pages.js';
import type { RowEdit } from './rows.js';
import { Sink } from './sink.js';
import { encoding as encodings, isKnownEncoding, physical } from './values.js';

const mark = Buffer.from(magic);

/** What becomes of a row group: taken over, left out, or edited in some columns or all. */
export type GroupPlan = 'take' | 'leave' | (RowEdit & { columns: ReadonlySet<string> | undefined });

/** Bytes that are in both files. */
export interface Taken {
  from: number;
  to: number;
  bytes: number;
}

export interface Written {
  rows: number;
  taken: Taken[];
}

/**
 * Writes a file again with some of its row groups, or with fewer rows in some. Schema, key-value
 * metadata and all else that the footer says are kept as they are; what is taken over is taken byte
 * for byte, with its indexes and Bloom filters.
 *
 * @throws FormatProblem for pages that cannot be taken apart
 */
export async function writeEdited(
  source: ParquetFile,
  to: string,
  planOf: (group: number) => GroupPlan,
): Promise<Written> {
  const sink = await Sink.create(to);
  try {
    return await new Edit(source, sink).run(planOf);
  } finally {
    await sink.close();
  }
}

/**
 * Copies some row groups into a file of their own in which every value is of its physical type:
 * what reads it sees what is stored, whatever it means.
 */
export async function writeRaw(
  source: ParquetFile,
  to: string,
  groups: ReadonlySet<number>,
): Promise<void> {
  const metadata = source.metadata.copy();
  for (const [index, element] of metadata.structs(fileField.schema).entries()) {
    const { converted, scale, precision, logical } = schemaField;
    element.remove(converted, scale, precision, logical);
    if (index > 0) element.setBytes(schemaField.name, Buffer.from(rawName(index)));
    if (element.int(schemaField.type) !== physical.int96) continue;
    element.setInt(schemaField.type, physical.fixed, kind.i32);
    element.setInt(schemaField.length, 12, kind.i32);
  }
  for (const group of metadata.structs(fileField.groups)) {
    for (const chunk of group.structs(groupField.columns)) {
      const column = columnOf(chunk);
      column.remove(columnField.statistics, columnField.bloom);
      chunk.remove(chunkField.offsetIndex, chunkField.columnIndex);
      if (column.int(columnField.type) !== physical.int96) continue;
      column.setInt(columnField.type, physical.fixed, kind.i32);
    }
  }
  metadata.remove(fileField.metadata, fileField.orders);
  await writeEdited({ ...source, metadata }, to, (group) => (groups.has(group) ? 'take' : 'leave'));
}

/** Of the element of the schema with this number. */
const rawName = (element: number): string => `c${element}`;

/** What the top-level columns are called in a raw copy. */
export function rawNames({ metadata }: ParquetFile, columns: ReadonlySet<string>): string[] {
  const schema = metadata.structs(fileField.schema);
  const names: string[] = [];
  for (let at = 1; at < schema.length; at = afterElement(schema, at)) {
    const name = schema[at]?.bytes(schemaField.name)?.toString() ?? '';
    if (columns.has(name)) names.push(rawName(at));
  }
  return names;
}

function afterElement(schema: readonly Struct[], at: number): number {
  let next = at + 1;
  const children = schema[at]?.int(schemaField.children) ?? 0;
  for (let index = 0; index < children; index += 1) next = afterElement(schema, next);
  return next;
}

/**
 * Looks at every page's head, which an edit would only find on its way.
 *
 * @throws FormatProblem for what cannot be taken apart
 */
export async function requireEditable({ handle, metadata, leaves }: ParquetFile): Promise<void> {
  for (const group of metadata.structs(fileField.groups)) {
    for (const [index, chunk] of group.structs(groupField.columns).entries()) {
      let values = 0;
      for await (const page of pagesOf(handle, placeOf(chunk))) {
        if (page.type === pageType.dictionary) continue;
        if (page.type !== pageType.data && page.type !== pageType.dataV2) {
          throw new FormatProblem(`it has pages of type ${page.type}`);
        }
        const { count, encoding } = dataHeader(page);
        const leaf = leaves[index];
        if (leaf !== undefined) {
          requireLevels(page, leaf);
          requireReadable(encoding, leaf);
        }
        values += count;
      }
      if (values !== columnOf(chunk).number(columnField.values)) {
        throw new FormatProblem('its pages do not hold as many values as it says');
      }
    }
  }
}

/** What the engine cannot read it cannot compare. */
function requireReadable(encoding: number, { top, type }: Leaf): void {
  if (!isKnownEncoding(encoding)) throw new FormatProblem(`it has pages in encoding ${encoding}`);
  if (encoding !== encodings.split || type === physical.float || type === physical.double) return;
  throw new FormatProblem(`its column ${top} is in BYTE_STREAM_SPLIT and holds no FLOAT or DOUBLE`);
}

/** @throws FormatProblem for columns that cannot be null */
export function requireNullable(leaves: readonly Leaf[], columns: ReadonlySet<string>): void {
  const fixed = leaves.find(({ top, nullable }) => columns.has(top) && !nullable);
  if (fixed !== undefined) throw new FormatProblem(`its column ${fixed.top} cannot be null`);
}

class Edit {
  readonly #source: ParquetFile;
  readonly #sink: Sink;
  readonly #taken: Taken[] = [];
  /** Columns that were taken over, with how far they have moved. */
  readonly #moved: { chunk: Struct; by: number }[] = [];

  constructor(source: ParquetFile, sink: Sink) {
    this.#source = source;
    this.#sink = sink;
  }

  async run(planOf: (group: number) => GroupPlan): Promise<Written> {
    const metadata = this.#source.metadata.copy();
    await this.#sink.write(mark);
    const groups: Struct[] = [];
    for (const [index, group] of metadata.structs(fileField.groups).entries()) {
      const plan = planOf(index);
      if (plan === 'leave') continue;
      await this.#group(group, plan);
      if (group.has(groupField.ordinal)) group.setInt(groupField.ordinal, groups.length, kind.i16);
      groups.push(group);
    }
    for (const one of this.#moved) await this.#bloom(one.chunk);
    for (const one of this.#moved) await this.#columnIndex(one.chunk);
    for (const one of this.#moved) await this.#offsetIndex(one.chunk, one.by);
    metadata.setList(fileField.groups, kind.struct, groups);
    const rows = groups.reduce((sum, group) => sum + group.number(groupField.rows), 0);
    metadata.setInt(fileField.rows, rows);
    const footer = metadata.encode();
    const length = Buffer.alloc(4);
    length.writeUInt32LE(footer.length);
    await this.#sink.write(Buffer.concat([footer, length, mark]));
    return { rows, taken: this.#taken };
  }

  async #group(group: Struct, plan: Exclude<GroupPlan, 'leave'>): Promise<void> {
    const start = this.#sink.position;
    const chunks: Struct[] = [];
    for (const [index, chunk] of group.structs(groupField.columns).entries()) {
      const leaf = this.#source.leaves[index];
      if (leaf === undefined) throw new FormatProblem('its footer is incomplete');
      const edited = plan !== 'take' && (plan.columns?.has(leaf.top) ?? true);
      chunks.push(
        edited
          ? await editChunk(this.#source.handle, chunk, leaf, plan, this.#sink)
          : await this.#take(chunk),
      );
    }
    group.setList(groupField.columns, kind.struct, chunks);
    const sum = (id: number) =>
      chunks.reduce((total, chunk) => total + columnOf(chunk).number(id), 0);
    group.setInt(groupField.bytes, sum(columnField.uncompressed));
    if (group.has(groupField.compressed)) {
      group.setInt(groupField.compressed, sum(columnField.compressed));
    }
    if (group.has(groupField.offset)) group.setInt(groupField.offset, start);
    if (plan !== 'take' && plan.how === 'delete') {
      const left = plan.gone.reduce((rows, gone) => rows - gone, plan.gone.length);
      group.setInt(groupField.rows, left);
    }
  }

  async #take(chunk: Struct): Promise<Struct> {
    const { start, length } = placeOf(chunk);
    const by = this.#sink.position - start;
    this.#taken.push({ from: start, to: this.#sink.position, bytes: length });
    await this.#sink.copy(this.#source.handle, start, length);
    chunk.setInt(chunkField.offset, 0);
    const column = columnOf(chunk);
    for (const id of [columnField.firstPage, columnField.indexPage, columnField.dictionaryPage]) {
      const offset = column.int(id) ?? 0;
      if (offset > 0) column.setInt(id, offset + by);
    }
    this.#moved.push({ chunk, by });
    return chunk;
  }

  async #bloom(chunk: Struct): Promise<void> {
    const column = columnOf(chunk);
    const at = column.int(columnField.bloom);
    if (at === undefined) return;
    const length = column.int(columnField.bloomBytes) ?? (await this.#bloomBytes(at));
    column.setInt(columnField.bloom, this.#sink.position);
    await this.#sink.copy(this.#source.handle, at, length);
  }

  /** Older writers do not say how long a filter is; its head does. */
  async #bloomBytes(at: number): Promise<number> {
    const { handle, bytes } = this.#source;
    const reader = new Reader(await readAt(handle, at, Math.min(256, bytes - at)));
    return reader.struct().number(1) + reader.at;
  }

  async #columnIndex(chunk: Struct): Promise<void> {
    const at = chunk.int(chunkField.columnIndex);
    if (at === undefined) return;
    const length = chunk.number(chunkField.columnIndexBytes);
    chunk.setInt(chunkField.columnIndex, this.#sink.position);
    await this.#sink.copy(this.#source.handle, at, length);
  }

  async #offsetIndex(chunk: Struct, by: number): Promise<void> {
    const at = chunk.int(chunkField.offsetIndex);
    if (at === undefined) return;
    const length = chunk.number(chunkField.offsetIndexBytes);
    const index = new Reader(await readAt(this.#source.handle, at, length)).struct();
    for (const page of index.structs(1)) page.setInt(1, page.number(1) + by);
    const bytes = index.encode();
    chunk.setInt(chunkField.offsetIndex, this.#sink.position);
    chunk.setInt(chunkField.offsetIndexBytes, bytes.length, kind.i32);
    await this.#sink.write(bytes);
  }
}
