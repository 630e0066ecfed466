import { open } from 'node:fs/promises';

/** Types of Thrift's compact protocol, in which footers are written. */
const type = {
  true: 1,
  false: 2,
  byte: 3,
  i16: 4,
  i32: 5,
  i64: 6,
  double: 7,
  binary: 8,
  list: 9,
  set: 10,
  map: 11,
  struct: 12,
} as const;

/**
 * What a footer holds that the engine neither shows nor writes: the order of a row group's rows,
 * metadata of single columns, columns in other files. Undefined when there is nothing of it.
 */
export async function unwrittenExtras(path: string): Promise<string | undefined> {
  const thrift = new Footer(await readFooter(path));
  let found: string | undefined;
  const say = (what: string) => () => {
    found ??= what;
  };
  // FileMetaData.row_groups: 4; RowGroup.columns: 1, sorting_columns: 4; ColumnChunk.file_path: 1,
  // meta_data: 3, crypto_metadata: 8; ColumnMetaData.key_value_metadata: 8.
  thrift.struct({
    4: {
      list: {
        1: {
          list: {
            1: say('it points to columns in other files'),
            3: { 8: say('its columns have metadata of their own') },
            8: say('it is encrypted'),
          },
        },
        4: say('it says in which order its rows are'),
      },
    },
  });
  return found;
}

async function readFooter(path: string): Promise<Buffer> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    const tail = Buffer.alloc(8);
    await handle.read(tail, 0, 8, size - 8);
    const length = tail.readUInt32LE(0);
    const footer = Buffer.alloc(Math.min(length, size - 8));
    await handle.read(footer, 0, footer.length, size - 8 - footer.length);
    return footer;
  } finally {
    await handle.close();
  }
}

/** What to do at a field: be told, look into its struct, or into the structs of its list. */
type Visitor = (() => void) | Fields | { list: Fields };
interface Fields {
  [id: number]: Visitor;
}

class Footer {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  struct(fields: Fields): void {
    for (let id = 0; ; ) {
      const head = this.#byte();
      if (head === 0) return;
      const kind = head & 15;
      id = head >> 4 === 0 ? this.#zigzag() : id + (head >> 4);
      const visitor = fields[id];
      if (visitor === undefined) this.#skip(kind);
      else this.#visit(kind, visitor);
    }
  }

  #visit(kind: number, visitor: Visitor): void {
    if (typeof visitor === 'function') {
      // An empty list says nothing.
      const empty = kind === type.list && (this.#bytes[this.#at] ?? 0) >> 4 === 0;
      if (!empty) visitor();
      this.#skip(kind);
    } else if (kind === type.struct) this.struct(visitor as Fields);
    else if (kind === type.list && 'list' in visitor) {
      const { count } = this.#listHead();
      for (let index = 0; index < count; index += 1)
        this.struct((visitor as { list: Fields }).list);
    } else this.#skip(kind);
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new Error('The footer ends too early.');
    this.#at += 1;
    return byte;
  }

  #varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  #zigzag(): number {
    const value = this.#varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  #listHead(): { count: number; kind: number } {
    const head = this.#byte();
    const short = head >> 4;
    return { count: short === 15 ? this.#varint() : short, kind: head & 15 };
  }

  #skip(kind: number): void {
    if (kind === type.true || kind === type.false) return;
    if (kind === type.byte) this.#at += 1;
    else if (kind === type.i16 || kind === type.i32 || kind === type.i64) this.#varint();
    else if (kind === type.double) this.#at += 8;
    else if (kind === type.binary) {
      const length = this.#varint();
      this.#at += length;
    } else if (kind === type.struct) this.struct({});
    else if (kind === type.list || kind === type.set) {
      const { count, kind: element } = this.#listHead();
      for (let index = 0; index < count; index += 1) this.#skipElement(element);
    } else if (kind === type.map) {
      const count = this.#varint();
      const kinds = count === 0 ? 0 : this.#byte();
      for (let index = 0; index < count; index += 1) {
        this.#skipElement(kinds >> 4);
        this.#skipElement(kinds & 15);
      }
    } else throw new Error(`The footer holds a field of unknown type ${kind}.`);
  }

  /** Booleans in lists take a byte; as fields they are their type. */
  #skipElement(kind: number): void {
    if (kind === type.true || kind === type.false) this.#at += 1;
    else this.#skip(kind);
  }
}
