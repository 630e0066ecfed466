import { type FileHandle, open } from 'node:fs/promises';

/** What the footer of a Parquet file says of it. */
export interface ParquetFooter {
  rows: number;
  /** Names of the top-level columns, in order. */
  columns: string[];
}

const magic = 'PAR1';
/** The length of the footer and the magic number behind it. */
const tailBytes = 8;
/** Larger ones belong to files that nobody here writes. */
const mostBytes = 64 * 1024 * 1024;

/**
 * Reads a footer without the query engine, which takes longer to load than all checks together.
 * Throws an Error that says what is wrong with a file that is no whole Parquet file.
 */
export async function readParquetFooter(path: string): Promise<ParquetFooter> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    if (size < magic.length + tailBytes) throw new Error('it is too short');
    const [head, tail] = await Promise.all([
      readAt(handle, 0, magic.length),
      readAt(handle, size - tailBytes, tailBytes),
    ]);
    if (head.toString('latin1') !== magic || tail.toString('latin1', 4) !== magic) {
      throw new Error('the marks of a Parquet file are missing');
    }
    const length = tail.readUInt32LE(0);
    if (length > mostBytes || length > size - tailBytes - magic.length) {
      throw new Error('its footer has an impossible length');
    }
    return parseFooter(await readAt(handle, size - tailBytes - length, length));
  } finally {
    await handle.close();
  }
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
  if (bytesRead !== length) throw new Error('it ends too early');
  return buffer;
}

/** Field ids of the format’s FileMetaData and SchemaElement. */
const fileSchema = 2;
const fileRows = 3;
const elementName = 4;
const elementChildren = 5;

function parseFooter(bytes: Buffer): ParquetFooter {
  const thrift = new CompactReader(bytes);
  let rows: number | undefined;
  let elements: SchemaElement[] = [];
  thrift.struct((id, type) => {
    if (id === fileSchema && type === Type.list) elements = thrift.list(() => readElement(thrift));
    else if (id === fileRows && type === Type.i64) rows = thrift.zigzag();
    else thrift.skip(type);
  });
  const [root] = elements;
  if (rows === undefined || root === undefined) throw new Error('its footer lacks the schema');
  return { rows, columns: topLevel(elements) };
}

interface SchemaElement {
  name: string;
  children: number;
}

function readElement(thrift: CompactReader): SchemaElement {
  const element: SchemaElement = { name: '', children: 0 };
  thrift.struct((id, type) => {
    if (id === elementName && type === Type.binary) element.name = thrift.text();
    else if (id === elementChildren && type === Type.i32) element.children = thrift.zigzag();
    else thrift.skip(type);
  });
  return element;
}

/** The schema is a tree, written from the top, each element before its children. */
function topLevel(elements: readonly SchemaElement[]): string[] {
  const names: string[] = [];
  let index = 1;
  const pass = (): void => {
    const element = elements[index];
    index += 1;
    for (let child = 0; child < (element?.children ?? 0) && index < elements.length; child += 1) {
      pass();
    }
  };
  while (index < elements.length) {
    names.push(elements[index]?.name ?? '');
    pass();
  }
  return names;
}

/** Types of Thrift’s compact protocol. */
const Type = {
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

class CompactReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Calls `field` for each field, which has to read or skip its value. */
  struct(field: (id: number, type: number) => void): void {
    let id = 0;
    for (;;) {
      const head = this.#byte();
      if (head === 0) return;
      const delta = head >> 4;
      id = delta === 0 ? this.zigzag() : id + delta;
      field(id, head & 0x0f);
    }
  }

  list<T>(read: (type: number) => T): T[] {
    const head = this.#byte();
    const size = head >> 4 === 15 ? this.#varint() : head >> 4;
    const items: T[] = [];
    for (let index = 0; index < size; index += 1) items.push(read(head & 0x0f));
    return items;
  }

  zigzag(): number {
    const value = this.#varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  text(): string {
    const length = this.#varint();
    this.#advance(length);
    return this.#bytes.toString('utf8', this.#at - length, this.#at);
  }

  /** `inList`: there a truth value takes a byte; in a field its type is the value. */
  skip(type: number, inList = false): void {
    switch (type) {
      case Type.true:
      case Type.false:
        if (inList) this.#advance(1);
        break;
      case Type.byte:
        this.#advance(1);
        break;
      case Type.i16:
      case Type.i32:
      case Type.i64:
        this.#varint();
        break;
      case Type.double:
        this.#advance(8);
        break;
      case Type.binary:
        this.#advance(this.#varint());
        break;
      case Type.list:
      case Type.set:
        this.list((inner) => this.skip(inner, true));
        break;
      case Type.map:
        this.#skipMap();
        break;
      case Type.struct:
        this.struct((_id, inner) => this.skip(inner));
        break;
      default:
        throw new Error('its footer cannot be read');
    }
  }

  #skipMap(): void {
    const size = this.#varint();
    if (size === 0) return;
    const types = this.#byte();
    for (let index = 0; index < size; index += 1) {
      this.skip(types >> 4, true);
      this.skip(types & 0x0f, true);
    }
  }

  /** Beyond 2^53 it is not exact, which no row count of a file comes near. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 64; shift += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Error('its footer cannot be read');
  }

  #byte(): number {
    this.#advance(1);
    return this.#bytes[this.#at - 1] ?? 0;
  }

  #advance(bytes: number): void {
    this.#at += bytes;
    if (this.#at > this.#bytes.length) throw new Error('its footer is cut short');
  }
}
