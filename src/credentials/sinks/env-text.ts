import { parse } from 'dotenv';

/** Where a variable stands in the text of a `.env`. */
interface Assignment {
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
function assignments(text: string): Assignment[] {
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

function lineEnd(text: string, from: number): number {
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

/** Means the same to shells, to Docker and to every reader of `.env`. */
const plain = /^[\w./:@%+=,~-]*$/;

/** The value as it is written, such that it is read back as it is; like the one before it, if it can. */
function written(name: string, value: string, before: string | undefined): string {
  const quotes = ["'", '"', '`'];
  const forms = [...(plain.test(value) ? [''] : []), ...quotes];
  const quote = quotes.find((one) => before?.startsWith(one)) ?? (before === undefined ? [] : '');
  const form = [quote, ...forms]
    .flat()
    .map((one) => `${one}${value}${one}`)
    .find((one) => parse(`${name}=${one}`)[name] === value);
  if (form === undefined) throw new Error(`The value of ${name} cannot be written to a .env.`);
  return form;
}

/** The text with these variables set; every other byte of it as it was. */
export function setVariables(text: string, values: Record<string, string>): string {
  let result = text;
  for (const [name, value] of Object.entries(values)) {
    const places = assignments(result).filter((one) => one.name === name);
    for (const { from, to } of places.toReversed()) {
      const form = written(name, value, result.slice(from, to));
      result = result.slice(0, from) + form + result.slice(to);
    }
    if (places.length === 0) {
      const newline = result.includes('\r\n') ? '\r\n' : '\n';
      const gap = result === '' || result.endsWith('\n') ? '' : newline;
      result = `${result}${gap}${name}=${written(name, value, undefined)}${newline}`;
    }
  }
  return result;
}

/** The text without these variables and the lines they stand on. */
export function removeVariables(text: string, names: readonly string[]): string {
  let result = text;
  for (const { name, from, to } of assignments(text).toReversed()) {
    if (!names.includes(name)) continue;
    const start = result.lastIndexOf('\n', from - 1) + 1;
    result = result.slice(0, start) + result.slice(lineEnd(result, to) + 1);
  }
  return result;
}
