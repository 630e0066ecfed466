/** Where a variable stands in the text of a `.env`. */
export interface Assignment {
  name: string;
  /** Of the value, quotes included. */
  from: number;
  to: number;
}

/** Begins an assignment: `NAME=`, `export NAME = `; a mark of the byte order may precede the first. */
const beginning = /^[\ufeff \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*=[ \t]*/;

/**
 * Every assignment, in order. A quoted value may hold line ends; what lies in it is no assignment
 * of its own, whatever it looks like.
 */
export function assignments(text: string): Assignment[] {
  const found: Assignment[] = [];
  for (let at = 0; at < text.length; ) {
    const end = lineEnd(text, at);
    const match = beginning.exec(text.slice(at, end));
    if (match === null) {
      at = end + 1;
      continue;
    }
    const from = at + match[0].length;
    const to = valueEnd(text, from, end);
    found.push({ name: match[1] ?? '', from, to });
    at = lineEnd(text, to) + 1;
  }
  return found;
}

/** Where the line ends that `from` is in. */
export function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end === -1 ? text.length : end;
}

/** Where a value ends: at its closing quote, else before a comment or the end of the line. */
function valueEnd(text: string, from: number, end: number): number {
  const quote = text[from];
  if (quote === '"' || quote === "'" || quote === '`') {
    for (let at = from + 1; at < text.length; at += 1) {
      if (text[at] === quote && text[at - 1] !== '\\') return at + 1;
    }
  }
  const line = text.slice(from, end);
  const comment = line.search(/\s*#/);
  const value = (comment === -1 ? line : line.slice(0, comment)).trimEnd();
  return from + value.length;
}

/**
 * Numbers of the lines, from 1, that are neither blank nor a comment nor a part of an assignment.
 * `NAME: value`, which some readers take too, counts as one.
 */
export function strayLines(text: string): number[] {
  const parts = assignments(text);
  const found: number[] = [];
  let number = 0;
  for (let at = 0; at < text.length; at = lineEnd(text, at) + 1) {
    number += 1;
    const end = lineEnd(text, at);
    const assigned = parts.some(({ from, to }) => from <= end && to >= at);
    if (!assigned && !/^(#.*|[\w.-]+:\s.*)?$/.test(text.slice(at, end).trim())) found.push(number);
  }
  return found;
}
