import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { FormatProblem, kind, Struct } from '../../engine/thrift.js';
import { type Codec, codecOf } from './codecs.js';
import { chunkField, columnField, columnOf, type Leaf, placeOf } from './file.js';
import { closePage, dataHeader, openPage, type PageParts } from './open-page.js';
import { bodyOf, type Page, pageField, pagesOf, pageType } from './pages.js';
import { type RowEdit, type Selection, selectRows } from './rows.js';
import type { Sink } from './sink.js';
import { GoneValues } from './statistics.js';
import {
  encodeIndices,
  encoding,
  filterPlain,
  filterValues,
  indicesOf,
  isDictionary,
} from './values.js';

const dictionaryHead = { count: 1 };

/** The values that pages point to, and which of them stay. */
interface Dictionary {
  page: Page;
  /** 1 for values that a row which stays has. */
  used: Uint8Array;
  /** Where each value comes to be; undefined while none has to go. */
  moved: Uint32Array | undefined;
  /** How many there are afterwards. */
  size: number;
}

/**
 * Takes rows out of one column of one row group. Pages without such a row are taken over byte for
 * byte, unless the dictionary they point to loses a value: a value that only the person had does not
 * stay in it. The others are compressed again by the same codec. Indexes of pages and Bloom filters,
 * which would still tell of the values, are left out; statistics are kept where they do not tell.
 *
 * @returns what the footer says of it now
 * @throws FormatProblem for pages that cannot be taken apart
 */
export async function editChunk(
  source: FileHandle,
  chunk: Struct,
  leaf: Leaf,
  edit: RowEdit,
  sink: Sink,
): Promise<Struct> {
  const codec = await codecOf(columnOf(chunk).number(columnField.codec));
  return new ChunkEdit(source, chunk, leaf, edit, sink, codec).run();
}

class ChunkEdit {
  readonly #source: FileHandle;
  readonly #chunk: Struct;
  readonly #leaf: Leaf;
  readonly #edit: RowEdit;
  readonly #sink: Sink;
  readonly #codec: Codec;
  readonly #gone: GoneValues;
  /** Pages by type and encoding. */
  readonly #written = new Map<string, number>();
  #row = -1;
  #values = 0;
  #moreNulls = 0;
  #uncompressed = 0;

  constructor(
    source: FileHandle,
    chunk: Struct,
    leaf: Leaf,
    edit: RowEdit,
    sink: Sink,
    codec: Codec,
  ) {
    this.#source = source;
    this.#chunk = chunk;
    this.#leaf = leaf;
    this.#edit = edit;
    this.#sink = sink;
    this.#codec = codec;
    this.#gone = new GoneValues(columnOf(chunk), leaf);
  }

  async run(): Promise<Struct> {
    const start = this.#sink.position;
    const dictionary = await this.#survey();
    if (dictionary !== undefined) await this.#writeDictionary(dictionary);
    const first = this.#sink.position;
    this.#row = -1;
    for await (const page of this.#pages()) {
      if (page.type !== pageType.dictionary) await this.#data(page, dictionary);
    }
    if (this.#row + 1 !== this.#edit.gone.length) {
      throw new FormatProblem('its columns have different numbers of rows');
    }
    return this.#described(start, first);
  }

  #pages(): AsyncGenerator<Page> {
    return pagesOf(this.#source, placeOf(this.#chunk));
  }

  /** Rows that begin in the page; undefined where only its levels tell. */
  #rowsIn(page: Page): number | undefined {
    const { rows, count } = dataHeader(page);
    return rows ?? (this.#leaf.maxRepetition === 0 ? count : undefined);
  }

  /** Whether a page surely holds nothing of the person. */
  #isUntouched(page: Page): boolean {
    const rows = this.#rowsIn(page);
    if (rows === undefined) return false;
    return !this.#edit.gone.subarray(this.#row + 1, this.#row + 1 + rows).includes(1);
  }

  async #open(page: Page): Promise<{ parts: PageParts; selection: Selection }> {
    const body = await bodyOf(this.#source, page);
    const parts = await openPage(page, body, this.#leaf, this.#codec);
    return { parts, selection: selectRows(parts, this.#leaf, this.#edit, this.#row) };
  }

  /** Which values of the dictionary stay; undefined where there is none. */
  async #survey(): Promise<Dictionary | undefined> {
    let page: Page | undefined;
    let used = new Uint8Array(0);
    let gone = new Uint8Array(0);
    for await (const one of this.#pages()) {
      if (one.type === pageType.dictionary) {
        page = one;
        const size = sizeOf(one);
        used = new Uint8Array(size);
        gone = new Uint8Array(size);
        continue;
      }
      if (page === undefined) return undefined;
      if (!isDictionary(dataHeader(one).encoding)) {
        const rows = this.#rowsIn(one);
        this.#row = rows === undefined ? (await this.#open(one)).selection.row : this.#row + rows;
        continue;
      }
      const { parts, selection } = await this.#open(one);
      const indices = indicesOf(parts.values, selection.keep.length);
      for (const [index, place] of indices.entries()) {
        if (place >= used.length) throw new FormatProblem('a page of it is damaged');
        if (selection.keep[index] === 1) used[place] = 1;
        else gone[place] = 1;
      }
      this.#row = selection.row;
    }
    if (page === undefined) return undefined;
    const raw = await this.#codec.decompress(await bodyOf(this.#source, page), page.uncompressed);
    filterPlain(raw, this.#leaf, {
      keep: gone.map((is) => 1 - is),
      onGone: (value) => this.#gone.note(value),
    });
    if (!gone.some((is, place) => is === 1 && used[place] === 0)) {
      return { page, used, moved: undefined, size: used.length };
    }
    const moved = new Uint32Array(used.length);
    let size = 0;
    for (const [place, is] of used.entries()) {
      moved[place] = size;
      size += is;
    }
    return { page, used, moved, size };
  }

  async #writeDictionary({ page, used, moved, size }: Dictionary): Promise<void> {
    if (moved === undefined) return this.#take(page);
    // Without a value that stays there are only nulls, and no page needs it.
    if (size === 0) return;
    const raw = await this.#codec.decompress(await bodyOf(this.#source, page), page.uncompressed);
    const left = filterPlain(raw, this.#leaf, { keep: used, onGone: () => undefined });
    const header = page.header.copy();
    header.struct(pageField.dictionary)?.setInt(dictionaryHead.count, size, kind.i32);
    await this.#put(header, await this.#codec.compress(left), left.length);
    this.#count(page.type, encodingOf(page));
  }

  async #data(page: Page, dictionary: Dictionary | undefined): Promise<void> {
    const { encoding: of } = dataHeader(page);
    const moved = isDictionary(of) ? dictionary?.moved : undefined;
    if (moved === undefined && this.#isUntouched(page)) {
      this.#row += this.#rowsIn(page) ?? 0;
      return this.#take(page);
    }
    const { parts, selection } = await this.#open(page);
    this.#row = selection.row;
    if (!selection.hit && moved === undefined) return this.#take(page);
    this.#moreNulls += selection.moreNulls;
    if (selection.count === 0) return;
    const values = this.#filtered(parts, selection, dictionary);
    const { header, body, uncompressed } = await closePage(
      page,
      { ...selection, encoding: values.encoding, values: values.bytes },
      this.#leaf,
      this.#codec,
    );
    await this.#put(header, body, uncompressed);
    this.#count(page.type, values.encoding);
    this.#values += selection.count;
  }

  #filtered(
    { encoding: of, values }: PageParts,
    { keep }: Selection,
    dictionary: Dictionary | undefined,
  ): { bytes: Buffer; encoding: number } {
    if (!isDictionary(of)) {
      const onGone = (value: Buffer) => this.#gone.note(value);
      return filterValues(values, { encoding: of, type: this.#leaf }, { keep, onGone });
    }
    if (dictionary === undefined) throw new FormatProblem('it has no dictionary for its pages');
    const { moved, size } = dictionary;
    if (size === 0) return { bytes: Buffer.alloc(0), encoding: encoding.plain };
    const kept = indicesOf(values, keep.length).filter((_place, index) => keep[index] === 1);
    const places = moved === undefined ? kept : kept.map((place) => moved[place] ?? 0);
    return { bytes: encodeIndices(places, size), encoding: of };
  }

  /** Byte for byte. */
  async #take(page: Page): Promise<void> {
    await this.#sink.copy(this.#source, page.start, page.headerBytes + page.bodyBytes);
    this.#uncompressed += page.headerBytes + page.uncompressed;
    this.#count(page.type, encodingOf(page));
    if (page.type !== pageType.dictionary) this.#values += dataHeader(page).count;
  }

  async #put(header: Struct, body: Buffer, uncompressed: number): Promise<void> {
    header.setInt(pageField.uncompressed, uncompressed, kind.i32);
    header.setInt(pageField.compressed, body.length, kind.i32);
    if (header.has(pageField.checksum))
      header.setInt(pageField.checksum, crc32(body) | 0, kind.i32);
    const head = header.encode();
    await this.#sink.write(head);
    await this.#sink.write(body);
    this.#uncompressed += head.length + uncompressed;
  }

  #count(type: number, of: number): void {
    const name = `${type} ${of}`;
    this.#written.set(name, (this.#written.get(name) ?? 0) + 1);
  }

  #described(start: number, first: number): Struct {
    const chunk = this.#chunk.copy();
    const column = columnOf(chunk);
    chunk.setInt(chunkField.offset, 0);
    chunk.remove(
      chunkField.offsetIndex,
      chunkField.offsetIndexBytes,
      chunkField.columnIndex,
      chunkField.columnIndexBytes,
    );
    column.remove(
      columnField.indexPage,
      columnField.bloom,
      columnField.bloomBytes,
      columnField.sizes,
      columnField.geography,
      columnField.dictionaryPage,
    );
    column.setInt(columnField.values, this.#values);
    column.setInt(columnField.uncompressed, this.#uncompressed);
    column.setInt(columnField.compressed, this.#sink.position - start);
    column.setInt(columnField.firstPage, first);
    if (first > start) column.setInt(columnField.dictionaryPage, start);
    const pages = [...this.#written].map(([name, count]) => ({ name: name.split(' '), count }));
    const old = column.list(columnField.encodings).map(Number);
    const all = new Set([...old, ...pages.map(({ name }) => Number(name[1]))]);
    column.setList(columnField.encodings, kind.i32, [...all]);
    if (column.has(columnField.encodingStatistics)) {
      const counts = pages.map(({ name, count }) => {
        const entry = new Struct();
        entry.setInt(1, Number(name[0]), kind.i32);
        entry.setInt(2, Number(name[1]), kind.i32);
        entry.setInt(3, count, kind.i32);
        return entry;
      });
      column.setList(columnField.encodingStatistics, kind.struct, counts);
    }
    this.#gone.correct(column, this.#moreNulls);
    return chunk;
  }
}

function sizeOf(page: Page): number {
  const size = page.header.struct(pageField.dictionary)?.int(dictionaryHead.count);
  if (size === undefined) throw new FormatProblem('a page of it has no head');
  return size;
}

const encodingOf = (page: Page): number =>
  page.type === pageType.dictionary
    ? (page.header.struct(pageField.dictionary)?.int(2) ?? encoding.plain)
    : dataHeader(page).encoding;
