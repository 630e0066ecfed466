/** A value of a JSON text with the place where it stands, so that all around it can stay as it is. */
export type JsonNode = { from: number; to: number } & (
  | { type: 'object'; members: { name: string; value: JsonNode }[] }
  | { type: 'array'; items: JsonNode[] }
  /** A text as it reads; numbers as they are written, whatever their length; null is empty. */
  | { type: 'scalar'; text: string }
);

const deepest = 200;
const space = /[ \t\n\r]*/y;
const string = /"[^"\\]*(?:\\.[^"\\]*)*"/sy;
const plain = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/** The values of a text, one after the other; undefined when it is not JSON, or nested too deep. */
export function parseJsonText(text: string): JsonNode[] | undefined {
  const reader = new Reader(text);
  try {
    const values: JsonNode[] = [];
    while (!reader.atEnd()) values.push(reader.value(0));
    return values;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    if (text.startsWith('\ufeff')) this.#at = 1;
  }

  atEnd(): boolean {
    this.#take(space);
    return this.#at === this.#text.length;
  }

  value(depth: number): JsonNode {
    this.#take(space);
    const from = this.#at;
    const first = this.#text[from];
    if (depth > deepest) throw new SyntaxError('too deep');
    if (first === '{') return this.#object(from, depth);
    if (first === '[') return this.#array(from, depth);
    if (first === '"') return { from, type: 'scalar', text: this.#string(), to: this.#at };
    const word = this.#take(plain);
    if (word === '') throw new SyntaxError('no value');
    return { from, type: 'scalar', text: word === 'null' ? '' : word, to: this.#at };
  }

  #object(from: number, depth: number): JsonNode {
    const members: { name: string; value: JsonNode }[] = [];
    this.#list('{', '}', () => {
      const name = this.#string();
      this.#expect(':');
      members.push({ name, value: this.value(depth + 1) });
    });
    return { from, type: 'object', members, to: this.#at };
  }

  #array(from: number, depth: number): JsonNode {
    const items: JsonNode[] = [];
    this.#list('[', ']', () => items.push(this.value(depth + 1)));
    return { from, type: 'array', items, to: this.#at };
  }

  #list(open: string, close: string, one: () => void): void {
    this.#expect(open);
    this.#take(space);
    if (this.#text[this.#at] === close) {
      this.#at += 1;
      return;
    }
    for (;;) {
      this.#take(space);
      one();
      this.#take(space);
      if (this.#text[this.#at] !== ',') break;
      this.#at += 1;
    }
    this.#expect(close);
  }

  #string(): string {
    const found = this.#take(string);
    if (found === '') throw new SyntaxError('no text');
    return JSON.parse(found) as string;
  }

  #expect(character: string): void {
    this.#take(space);
    if (this.#text[this.#at] !== character) throw new SyntaxError(`no ${character}`);
    this.#at += 1;
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [found = ''] = pattern.exec(this.#text) ?? [];
    this.#at += found.length;
    return found;
  }
}

/** Every plain value in a value, with the name of the field it stands in. */
export function fieldsOf(node: JsonNode, name = ''): [string, string][] {
  if (node.type === 'scalar') return [[name, node.text]];
  if (node.type === 'array') return node.items.flatMap((item) => fieldsOf(item, name));
  return node.members.flatMap((member) => fieldsOf(member.value, member.name));
}
