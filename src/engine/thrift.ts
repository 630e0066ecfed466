/** Types of Thrift's compact protocol, in which Parquet writes footers and the heads of pages. */
export const kind = {
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
  uuid: 13,
} as const;

/** What is not understood is kept as it was read: nothing of a footer may be lost. */
export type Value = boolean | number | bigint | Buffer | List | Pairs | Struct;

export interface List {
  element: number;
  values: Value[];
}

export interface Pairs {
  key: number;
  value: number;
  pairs: [Value, Value][];
}

/** The file is not what it should be, or holds what cannot be written again. In words for a sentence. */
export class FormatProblem extends Error {}

const isList = (value: Value | undefined): value is List =>
  typeof value === 'object' && 'values' in value && 'element' in value;

const isPairs = (value: Value): value is Pairs => typeof value === 'object' && 'pairs' in value;

/** Fields by their ids, in order. */
export class Struct {
  readonly #fields: Map<number, { kind: number; value: Value }>;

  constructor(fields = new Map<number, { kind: number; value: Value }>()) {
    this.#fields = fields;
  }

  has(id: number): boolean {
    return this.#fields.has(id);
  }

  /** A whole number; undefined where the field is missing. */
  int(id: number): number | undefined {
    const value = this.#fields.get(id)?.value;
    if (value === undefined) return undefined;
    if (typeof value !== 'number') throw new FormatProblem('it holds a number that is too large');
    return value;
  }

  /** A whole number that has to be there. */
  number(id: number): number {
    const value = this.int(id);
    if (value === undefined) throw new FormatProblem('its footer is incomplete');
    return value;
  }

  flag(id: number): boolean | undefined {
    const value = this.#fields.get(id)?.value;
    return typeof value === 'boolean' ? value : undefined;
  }

  bytes(id: number): Buffer | undefined {
    const value = this.#fields.get(id)?.value;
    return value instanceof Buffer ? value : undefined;
  }

  struct(id: number): Struct | undefined {
    const value = this.#fields.get(id)?.value;
    return value instanceof Struct ? value : undefined;
  }

  /** The structs of a list; none where the field is missing. */
  structs(id: number): Struct[] {
    return this.list(id).filter((value) => value instanceof Struct);
  }

  list(id: number): Value[] {
    const value = this.#fields.get(id)?.value;
    return isList(value) ? value.values : [];
  }

  setInt(id: number, value: number, as: 4 | 5 | 6 = kind.i64): void {
    this.#fields.set(id, { kind: as, value });
  }

  setFlag(id: number, value: boolean): void {
    this.#fields.set(id, { kind: value ? kind.true : kind.false, value });
  }

  setBytes(id: number, value: Buffer): void {
    this.#fields.set(id, { kind: kind.binary, value });
  }

  setList(id: number, element: number, values: Value[]): void {
    this.#fields.set(id, { kind: kind.list, value: { element, values } });
  }

  remove(...ids: number[]): void {
    for (const id of ids) this.#fields.delete(id);
  }

  /** A copy whose own fields, and those of the structs and lists in it, can be changed. */
  copy(): Struct {
    return new Struct(
      new Map(
        [...this.#fields].map(([id, field]) => [id, { ...field, value: copyOf(field.value) }]),
      ),
    );
  }

  encode(): Buffer {
    const writer = new Writer();
    writer.struct(this);
    return writer.bytes();
  }

  fields(): [number, { kind: number; value: Value }][] {
    return [...this.#fields].sort(([a], [b]) => a - b);
  }
}

function copyOf(value: Value): Value {
  if (value instanceof Struct) return value.copy();
  return isList(value) ? { ...value, values: value.values.map(copyOf) } : value;
}

const tooShort = () => new FormatProblem('it ends too early');

/** Reads structs from bytes; `at` is where the next one begins. */
export class Reader {
  readonly #bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.at = at;
  }

  struct(): Struct {
    const fields = new Map<number, { kind: number; value: Value }>();
    for (let id = 0; ; ) {
      const head = this.#byte();
      if (head === 0) return new Struct(fields);
      const type = head & 15;
      id = head >> 4 === 0 ? Number(this.#zigzag()) : id + (head >> 4);
      const flag = type === kind.true || type === kind.false;
      fields.set(id, { kind: type, value: flag ? type === kind.true : this.#value(type) });
    }
  }

  #value(type: number): Value {
    if (type === kind.true || type === kind.false || type === kind.byte) return this.#byte();
    if (type === kind.i16 || type === kind.i32 || type === kind.i64) return this.#zigzag();
    if (type === kind.double) return this.#take(8);
    if (type === kind.uuid) return this.#take(16);
    if (type === kind.binary) return this.#take(this.#length());
    if (type === kind.struct) return this.struct();
    if (type === kind.list || type === kind.set) {
      const head = this.#byte();
      const count = head >> 4 === 15 ? this.#length() : head >> 4;
      const values: Value[] = [];
      for (let index = 0; index < count; index += 1) values.push(this.#value(head & 15));
      return { element: head & 15, values };
    }
    if (type !== kind.map) throw new FormatProblem(`it holds a field of unknown type ${type}`);
    const count = this.#length();
    const kinds = count === 0 ? 0 : this.#byte();
    const pairs: [Value, Value][] = [];
    for (let index = 0; index < count; index += 1) {
      pairs.push([this.#value(kinds >> 4), this.#value(kinds & 15)]);
    }
    return { key: kinds >> 4, value: kinds & 15, pairs };
  }

  #byte(): number {
    const byte = this.#bytes[this.at];
    if (byte === undefined) throw tooShort();
    this.at += 1;
    return byte;
  }

  #take(length: number): Buffer {
    if (this.at + length > this.#bytes.length) throw tooShort();
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  #length(): number {
    const length = Number(this.#varint());
    if (length > this.#bytes.length) throw tooShort();
    return length;
  }

  /** A bigint only where it may be beyond 2^49: numbers are several times as fast. */
  #varint(): number | bigint {
    let small = 0;
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = this.#byte();
      small += (byte & 127) * 2 ** shift;
      if (byte < 128) return small;
    }
    let value = BigInt(small);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value += BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw new FormatProblem('it holds a number that is too large');
  }

  #zigzag(): number | bigint {
    const value = this.#varint();
    if (typeof value === 'number') return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    const signed = (value >> 1n) ^ -(value & 1n);
    return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
  }
}

class Writer {
  readonly #parts: Buffer[] = [];
  #small: number[] = [];

  bytes(): Buffer {
    this.#flush();
    return Buffer.concat(this.#parts);
  }

  struct(struct: Struct): void {
    let last = 0;
    for (const [id, field] of struct.fields()) {
      const flag = field.kind === kind.true || field.kind === kind.false;
      const type = flag ? (field.value === true ? kind.true : kind.false) : field.kind;
      if (id > last && id - last <= 15) this.#small.push(((id - last) << 4) | type);
      else {
        this.#small.push(type);
        this.#zigzag(id);
      }
      last = id;
      if (!flag) this.#value(field.kind, field.value);
    }
    this.#small.push(0);
  }

  #value(type: number, value: Value): void {
    if (value instanceof Struct) this.struct(value);
    else if (Buffer.isBuffer(value)) {
      if (type === kind.binary) this.#varint(BigInt(value.length));
      this.#flush();
      this.#parts.push(value);
    } else if (isPairs(value)) {
      this.#varint(BigInt(value.pairs.length));
      if (value.pairs.length > 0) this.#small.push((value.key << 4) | value.value);
      for (const [key, of] of value.pairs) {
        this.#value(value.key, key);
        this.#value(value.value, of);
      }
    } else if (isList(value)) {
      const { element, values } = value;
      const count = values.length;
      this.#small.push((Math.min(count, 15) << 4) | element);
      if (count >= 15) this.#varint(BigInt(count));
      for (const one of values) this.#value(element, one);
    } else if (typeof value === 'boolean') this.#small.push(value ? 1 : 2);
    else if (type === kind.byte || type === kind.true || type === kind.false) {
      this.#small.push(Number(value));
    } else this.#zigzag(value);
  }

  #zigzag(value: number | bigint): void {
    const signed = BigInt(value);
    this.#varint(signed < 0n ? -signed * 2n - 1n : signed * 2n);
  }

  #varint(value: bigint): void {
    let rest = value;
    for (; rest > 127n; rest >>= 7n) this.#small.push(Number(rest & 127n) | 128);
    this.#small.push(Number(rest));
  }

  #flush(): void {
    if (this.#small.length === 0) return;
    this.#parts.push(Buffer.from(this.#small));
    this.#small = [];
  }
}
