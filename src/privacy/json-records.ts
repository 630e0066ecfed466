import { fieldsOf, type JsonNode, parseJsonText } from './json-text.js';

/** What is known of the fields of a JSON text. */
export interface FieldJudge {
  /** Whether the value is the person's. */
  owns(name: string, value: string): boolean;
  /** Whether the field holds ids or addresses of people. */
  identifies(name: string): boolean;
  /** Whether the field describes a person. */
  describes(name: string): boolean;
}

export interface JsonOutcome {
  records: number;
  hits: number;
  /** The text without the records of the person; all else byte by byte as it was. */
  text: string;
  /** Why the records cannot be taken out; the text is as it was then. */
  stuck: string | undefined;
}

/**
 * Takes the records of a person out of a JSON text: whole values of a sequence, elements of lists.
 * A record belongs to whom the fields outside of its own lists name; the elements of these are
 * records themselves. `empty` takes the place of a document that was one record. Undefined when the
 * text is not JSON.
 */
export function eraseFromJson(
  text: string,
  judge: FieldJudge,
  empty = '{}',
): JsonOutcome | undefined {
  const values = parseJsonText(text);
  if (values === undefined) return undefined;
  const search = new RecordSearch(judge);
  const gone = new Set(values.filter((value) => search.visit(value)));
  if (search.hits === 0 || search.stuck !== undefined) return { ...search.counts(), text };
  const cuts = [...search.cuts];
  for (const value of gone) {
    // What stood alone stays a document.
    const alone = values.length === 1;
    const to = alone ? value.to : endOfSpace(text, value.to);
    cuts.push({ from: value.from, to, put: alone ? empty : '' });
  }
  let rest = '';
  let at = 0;
  for (const { from, to, put } of cuts.sort((a, b) => a.from - b.from)) {
    rest += text.slice(at, from) + put;
    at = to;
  }
  return { ...search.counts(), text: rest + text.slice(at) };
}

const endOfSpace = (text: string, from: number): number => {
  const space = /\s*/y;
  space.lastIndex = from;
  return from + (space.exec(text)?.[0].length ?? 0);
};

class RecordSearch {
  readonly #judge: FieldJudge;
  readonly cuts: { from: number; to: number; put: string }[] = [];
  records = 0;
  hits = 0;
  stuck: string | undefined;

  constructor(judge: FieldJudge) {
    this.#judge = judge;
  }

  counts() {
    return { records: this.records, hits: this.hits, stuck: this.stuck };
  }

  /** True when the whole value is a record of the person. */
  visit(node: JsonNode): boolean {
    if (node.type === 'scalar') return false;
    if (node.type === 'array') {
      this.#elements(node);
      return false;
    }
    if (node.members.length === 0) return false;
    this.records += 1;
    const lists = listsIn(node);
    const header = headerOf(node);
    const { owns, identifies, describes } = this.#judge;
    if (header.some(([name, value]) => owns(name, value))) {
      this.hits += 1;
      const others = lists
        .flatMap((list) => fieldsOf(list))
        .some(([name, value]) => identifies(name) && value !== '' && !owns(name, value));
      if (others) this.stuck ??= 'a record of the person holds records of others';
      if (repeats(node)) this.stuck ??= 'a record of the person has two fields of the same name';
      return true;
    }
    const before = this.hits;
    for (const list of lists) this.#elements(list);
    const described = header.some(([name, value]) => describes(name) && value !== '');
    if (this.hits > before && described) {
      this.stuck ??= 'what stands around a record of the person describes somebody';
    }
    return false;
  }

  /** Marks the elements that go, each with one comma beside it. */
  #elements(list: Extract<JsonNode, { type: 'array' }>): void {
    let kept: JsonNode | undefined;
    let gone: JsonNode | undefined;
    for (const item of list.items) {
      if (!this.visit(item)) {
        // What went before the first that stays: up to it, its comma included.
        if (gone !== undefined && kept === undefined) {
          this.cuts.push({ from: list.items[0]?.from ?? item.from, to: item.from, put: '' });
        }
        kept = item;
        gone = undefined;
        continue;
      }
      gone = item;
      if (kept !== undefined) {
        const last = this.cuts.at(-1);
        if (last?.from === kept.to) last.to = item.to;
        else this.cuts.push({ from: kept.to, to: item.to, put: '' });
      }
    }
    if (gone !== undefined && kept === undefined) {
      this.cuts.push({ from: list.items[0]?.from ?? gone.from, to: gone.to, put: '' });
    }
  }
}

/** Lists of objects within an object, but not within each other. */
function listsIn(node: JsonNode): Extract<JsonNode, { type: 'array' }>[] {
  if (node.type === 'scalar') return [];
  if (node.type === 'object') return node.members.flatMap(({ value }) => listsIn(value));
  return node.items.some(({ type }) => type !== 'scalar') ? [node] : [];
}

/** The fields of an object that stand outside of its lists of objects. */
function headerOf(node: JsonNode, name = ''): [string, string][] {
  if (node.type === 'object') {
    return node.members.flatMap((member) => headerOf(member.value, member.name));
  }
  return node.type === 'array' && listsIn(node).length > 0 ? [] : fieldsOf(node, name);
}

function repeats(node: JsonNode): boolean {
  if (node.type === 'scalar') return false;
  if (node.type === 'array') return node.items.some(repeats);
  const names = node.members.map(({ name }) => name);
  return new Set(names).size < names.length || node.members.some(({ value }) => repeats(value));
}
