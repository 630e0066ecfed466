import { parse } from 'dotenv';
import { assignments, lineEnd } from '../../system/env-text.js';

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
