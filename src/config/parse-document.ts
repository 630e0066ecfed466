import { dirname, relative, resolve, sep } from 'node:path';
import { type Document, isMap, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import type { Locate, Problem } from './problems.js';
import { isSection } from './section.js';
import { sectionKeys } from './settings.js';

/** A configuration file that was read: its values, and where each of them stands. */
export interface ConfigDocument {
  path: string;
  /** As messages name it: relative to the working directory where that is shorter. */
  name: string;
  /** Without the profiles. */
  base: Record<string, unknown>;
  profiles: Map<string, Record<string, unknown>>;
  locate: Locate;
  /** What is wrong with it before the schema is asked. */
  problems: Problem[];
}

/** Takes a file's text apart. */
export function parseConfig(text: string, path: string, cwd: string): ConfigDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const short = relative(cwd, path);
  const name = short.startsWith(`..${sep}`) ? path : short;
  const at = (offset: number | undefined): string => {
    if (offset === undefined) return name;
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  const locate: Locate = (wanted, key = false) => at(offsetOf(document, wanted, key));
  const problems: Problem[] = document.errors.map((error) => ({
    where: at(error.pos[0]),
    key: '',
    message: error.code === 'MULTIPLE_DOCS' ? 'starts a second document' : firstLine(error),
  }));
  const empty = { path, name, base: {}, profiles: new Map(), locate, problems };
  if (problems.length > 0) return empty;
  problems.push(...findSecrets(document, at), ...findBrokenAliases(document, at));

  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // Aliases that are unresolved, or so many that they would fill the memory.
    if (!(error instanceof ReferenceError)) throw error;
    if (problems.length === 0) {
      problems.push({ where: name, key: '', message: 'repeats too much by aliases (*name)' });
    }
  }
  if (problems.some(({ key }) => key.startsWith('*'))) return empty;
  if (value === null || value === undefined) return empty;
  if (!isSection(value)) {
    problems.push({ where: at(0), key: '', message: 'must hold settings by name' });
    return empty;
  }
  const { profiles: written, ...base } = value;
  const profiles = new Map<string, Record<string, unknown>>();
  if (written !== undefined && written !== null && !isSection(written)) {
    problems.push({
      where: locate(['profiles']),
      key: 'profiles',
      message: 'must hold profiles by name, each with settings',
    });
  } else {
    for (const [profile, content] of Object.entries(written ?? {})) {
      if (content !== null && !isSection(content)) {
        problems.push({
          where: locate(['profiles', profile]),
          key: `profiles.${profile}`,
          message: 'must hold settings by name',
        });
      } else profiles.set(profile, prepare(content ?? {}, path));
    }
  }
  return { ...empty, base: prepare(base, path), profiles };
}

/** What the library says; below it is an excerpt of the file, which may hold a secret. */
const firstLine = (error: Error): string =>
  (error.message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '');

/** Sections left empty count as absent; relative paths of the lake are relative to the file. */
function prepare(section: Record<string, unknown>, file: string): Record<string, unknown> {
  const clean = withoutEmptySections(section, []);
  if (isSection(clean.lake)) clean.lake = withAbsolutePaths(clean.lake, dirname(file));
  return clean;
}

/** Resolves every setting named `path`. */
function withAbsolutePaths(
  section: Record<string, unknown>,
  base: string,
): Record<string, unknown> {
  const entries = Object.entries(section).map(([key, value]) => {
    if (isSection(value)) return [key, withAbsolutePaths(value, base)];
    const isPath = key === 'path' && typeof value === 'string' && value !== '';
    return [key, isPath ? resolve(base, value) : value];
  });
  return Object.fromEntries(entries);
}

function withoutEmptySections(
  section: Record<string, unknown>,
  path: readonly string[],
): Record<string, unknown> {
  const clean: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(section)) {
    const here = [...path, key];
    if (value === null && sectionKeys(here) !== undefined) continue;
    clean[key] = isSection(value) ? withoutEmptySections(value, here) : value;
  }
  return clean;
}

/** Offset in the text of a value, or of the key in front of it; of what encloses it, if absent. */
function offsetOf(
  document: Document.Parsed,
  path: readonly PropertyKey[],
  key: boolean,
): number | undefined {
  let offset: number | undefined;
  let node: unknown = document.contents;
  for (const [index, part] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === String(part),
      );
      if (pair === undefined) return offset;
      const wantsKey = key && index === path.length - 1;
      const keyOffset = isScalar(pair.key) ? pair.key.range?.[0] : undefined;
      offset = (wantsKey ? undefined : rangeOf(pair.value)) ?? keyOffset ?? offset;
      node = pair.value;
    } else {
      node = document.getIn(path.slice(0, index + 1), true);
      offset = rangeOf(node) ?? offset;
    }
  }
  return offset;
}

/** Aliases to nothing, and aliases to what they stand in, which would have no end. */
function findBrokenAliases(
  document: Document.Parsed,
  at: (offset: number | undefined) => string,
): Problem[] {
  const found: Problem[] = [];
  visit(document, {
    Alias: (_index, alias, around) => {
      const meant = alias.resolve(document);
      const message =
        meant === undefined
          ? `refers to nothing; &${alias.source} has to stand before it`
          : around.includes(meant) && 'refers to what it stands in';
      if (message) found.push({ where: at(rangeOf(alias)), key: `*${alias.source}`, message });
    },
  });
  return found;
}

const rangeOf = (node: unknown): number | undefined =>
  typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range)
    ? (node.range[0] as number)
    : undefined;

const secretName =
  /^(.*pass(word|wd|phrase)?|.*secret.*|.*token|.*(access|api|private|pseudonym)_?key|neon_db_url|database_url)$/i;
const secretUrl = /^[a-z][a-z0-9+.-]*:\/\/[^/@\s]*:[^/@\s]+@/i;

/** Secrets written into the file. Neither key nor place is a secret; the value is not repeated. */
function findSecrets(
  document: Document.Parsed,
  at: (offset: number | undefined) => string,
): Problem[] {
  const found: Problem[] = [];
  const report = (offset: number | undefined, key: string) =>
    found.push({
      where: at(offset),
      key,
      message: 'holds a secret; secrets belong in the environment or .env',
    });
  visit(document, {
    Pair: (_index, { key, value }) => {
      if (!isScalar(key) || !isScalar(value)) return undefined;
      const name = String(key.value);
      const filled = value.value !== null && value.value !== '';
      const isUrl = typeof value.value === 'string' && secretUrl.test(value.value);
      if (filled && (secretName.test(name) || isUrl)) report(key.range?.[0], name);
      return undefined;
    },
    Seq: (_index, list) => {
      for (const item of list.items) {
        if (isScalar(item) && typeof item.value === 'string' && secretUrl.test(item.value)) {
          report(item.range?.[0], '');
        }
      }
      return undefined;
    },
  });
  return found;
}
