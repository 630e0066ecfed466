import { invalid } from '../system/errors.js';
import type { Catalog } from './catalog.js';
import { scanCsv, splitCsv } from './csv.js';
import type { Container } from './framer.js';
import type { Mapping } from './mapping.js';
import { peekSource } from './source.js';
import { explainMisfit, findTable, type TableMatch } from './table-match.js';

const peekBytes = 256 << 10;
const peekLines = 200;

/** What the start of a source looks like. */
export interface SourceLook {
  path: string;
  kind: 'lines' | 'json' | 'empty';
  /** Keys of the first JSON objects. */
  keys: string[];
  /** The first record, as fields between this delimiter. */
  header(container: Container): string[];
}

/** How a source will be read. */
export interface SourcePlan {
  path: string;
  container: Container;
  /** For the format `tables`. */
  table: TableMatch | undefined;
  /** Made for this import: removed once it was read. */
  temporary?: true;
}

export type ImportFormat = { name: 'tables' } | { name: string; mapping: Mapping };

/**
 * Looks at the first bytes of a source. Errors: those of `readSource`, `IMPORT_FILE_ENCODING`
 * (UTF-16, binary), `IMPORT_FILE_JSON` (JSON, but not a JSON object a line).
 */
export async function lookAt(path: string, signal: AbortSignal): Promise<SourceLook> {
  const peek = await peekSource(path, peekBytes, signal);
  let { head } = peek;
  if (/^(fffe|feff)/.test(head.toString('hex', 0, 2))) {
    throw invalid('IMPORT_FILE_ENCODING', `${path} is encoded in UTF-16.`, {
      hint: 'Convert it to UTF-8: iconv -f UTF-16 -t UTF-8 FILE.',
    });
  }
  if (head.toString('hex', 0, 3) === 'efbbbf') head = head.subarray(3);
  const start = head.findIndex((byte) => byte !== 0x0a && byte !== 0x0d);
  if (start === -1) return { path, kind: 'empty', keys: [], header: () => [] };
  const text = head.subarray(start);
  if (text.subarray(0, 64).includes(0)) {
    throw invalid('IMPORT_FILE_ENCODING', `${path} holds NUL bytes: it is not UTF-8 text.`, {
      hint: 'Import reads CSV, TSV and JSON Lines in UTF-8.',
    });
  }
  const first = text.toString('utf8', 0, 64).trimStart()[0];
  if (first === '{' || first === '[') {
    return { path, kind: 'json', keys: jsonKeys(path, text, peek.complete), header: () => [] };
  }
  return {
    path,
    kind: 'lines',
    keys: [],
    header: (container) => headerOf(text, container, peek.complete),
  };
}

function headerOf(text: Buffer, container: Container, complete: boolean): string[] {
  if (container.kind === 'tsv') {
    const end = text.indexOf(0x0a);
    return text
      .toString('utf8', 0, end === -1 ? text.length : end)
      .replace(/\r$/, '')
      .split('\t');
  }
  const delimiter = (container.kind === 'csv' ? container.delimiter : ',').charCodeAt(0);
  const scan = scanCsv(text, 0, delimiter, complete);
  if (scan.state !== 'complete') return [];
  return splitCsv(text, 0, scan.end, delimiter).map((field) => field.bytes.toString('utf8'));
}

function jsonKeys(path: string, text: Buffer, complete: boolean): string[] {
  const lines = text.toString('utf8').split('\n');
  // The last line may be cut.
  if (!complete && lines.length > 1) lines.pop();
  const keys = new Set<string>();
  let objects = 0;
  for (const line of lines.slice(0, peekLines)) {
    const value = parseObject(line);
    if (value === undefined) continue;
    objects += 1;
    for (const key of Object.keys(value)) keys.add(key);
  }
  if (objects > 0) return [...keys];
  const python = /^\{\s*'/.test(lines[0] ?? '');
  throw invalid(
    'IMPORT_FILE_JSON',
    python
      ? `${path} holds Python dictionaries (single quotes), not JSON.`
      : `${path} is not JSON Lines: no line of its start is a JSON object.`,
    {
      hint: python
        ? 'Convert each line with json.dumps(ast.literal_eval(line)) first.'
        : 'Write one JSON object a line: jq -c ".[]" turns an array into lines.',
    },
  );
}

function parseObject(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    // A malformed line is rejected later; here it just tells nothing.
    return undefined;
  }
}

const namesSeen = (look: SourceLook, container: Container): string[] =>
  container.kind === 'jsonl' ? look.keys : look.header(container);

const missingFrom = (names: readonly string[], mapping: Mapping): string[] =>
  mapping.detect.required.filter((name) => !names.includes(name));

const tablesContainer: Container = { kind: 'csv', delimiter: ',' };

/** Names of all formats that fit the look of a source. */
export function fittingFormats(
  look: SourceLook,
  mappings: readonly Mapping[],
  catalog: Catalog,
): string[] {
  const fitting = mappings.filter((mapping) => {
    if ((mapping.container.kind === 'jsonl') !== (look.kind === 'json')) return false;
    const names = namesSeen(look, mapping.container);
    return (
      missingFrom(names, mapping).length === 0 &&
      !mapping.detect.absent.some((name) => names.includes(name))
    );
  });
  const table =
    look.kind === 'lines' && findTable(look.path, look.header(tablesContainer), catalog);
  return [...fitting.map((mapping) => mapping.format), ...(table ? ['tables'] : [])];
}

const listed = (names: readonly string[]): string =>
  names.length <= 30 ? names.join(', ') : `${names.slice(0, 30).join(', ')}, …`;

/** Detects the one format of all sources. Errors: `FORMAT_UNKNOWN`, `FORMAT_AMBIGUOUS`, `FORMATS_MIXED`. */
export function detectFormat(
  looks: readonly SourceLook[],
  mappings: readonly Mapping[],
  catalog: Catalog,
): ImportFormat {
  const known = ['tables', ...mappings.map((mapping) => mapping.format)].join(', ');
  const found = looks.map((look) => {
    const fitting = fittingFormats(look, mappings, catalog);
    const [only, another] = fitting;
    if (only === undefined) throw unknownFormat(look, known, catalog);
    if (another !== undefined) {
      throw invalid(
        'FORMAT_AMBIGUOUS',
        `${look.path} fits several formats: ${fitting.join(', ')}.`,
        {
          hint: 'Say which it is with --format.',
        },
      );
    }
    return { path: look.path, format: only };
  });
  const [first, ...others] = found;
  const other = others.find((entry) => entry.format !== first?.format);
  if (first === undefined || other !== undefined) {
    throw invalid(
      'FORMATS_MIXED',
      `${first?.path} is ${first?.format}, ${other?.path} is ${other?.format}.`,
      { hint: 'Import files of different formats one after the other.' },
    );
  }
  return formatNamed(first.format, mappings);
}

function unknownFormat(look: SourceLook, known: string, catalog: Catalog) {
  if (look.kind === 'empty') {
    return invalid('FORMAT_UNKNOWN', `${look.path} is empty: it has not even a header.`, {
      hint: `Name its format with --format (${known}), or leave the file out.`,
    });
  }
  const tabs = look.header({ kind: 'tsv' });
  const commas = look.header(tablesContainer);
  const seen =
    look.kind === 'json'
      ? `its JSON keys are ${listed(look.keys)}`
      : tabs.length > commas.length
        ? `its header (tab separated) is ${listed(tabs)}`
        : `its header is ${listed(commas)}; ${explainMisfit(look.path, commas, catalog)}`;
  return invalid('FORMAT_UNKNOWN', `${look.path} fits no known format: ${seen}.`, {
    hint: `Known formats: ${known}. Another layout needs a mapping file: --mapping FILE (docs/import.md).`,
  });
}

/** Looks a format up by name. Error: `FORMAT_NOT_FOUND`. */
export function formatNamed(name: string, mappings: readonly Mapping[]): ImportFormat {
  if (name === 'tables') return { name };
  const mapping = mappings.find((candidate) => candidate.format === name);
  if (mapping !== undefined) return { name, mapping };
  throw invalid('FORMAT_NOT_FOUND', `There is no format "${name}".`, {
    hint: `Known formats: ${['tables', ...mappings.map((entry) => entry.format)].join(', ')}.`,
  });
}

/** How to read a source of a format. Error: `FORMAT_MISFIT` when its header or keys do not fit. */
export function planSource(look: SourceLook, format: ImportFormat, catalog: Catalog): SourcePlan {
  const { path } = look;
  if (!('mapping' in format)) {
    const header = look.header(tablesContainer);
    const table = look.kind === 'lines' ? findTable(path, header, catalog) : undefined;
    if (table !== undefined) return { path, container: tablesContainer, table };
    const why =
      look.kind === 'lines' ? explainMisfit(path, header, catalog) : 'it is no CSV with a header';
    throw misfit(path, format.name, why);
  }
  const { container } = format.mapping;
  if (look.kind !== 'empty') {
    if ((container.kind === 'jsonl') !== (look.kind === 'json')) {
      const wants = container.kind === 'jsonl' ? 'JSON Lines' : container.kind.toUpperCase();
      throw misfit(path, format.name, `the format is ${wants}, the file is not`);
    }
    const missing = missingFrom(namesSeen(look, container), format.mapping);
    // A JSON key may be absent from the first records; a column may not.
    if (container.kind !== 'jsonl' && missing.length > 0) {
      throw misfit(path, format.name, `it has no column ${missing.join(', ')}`);
    }
  } else if (container.kind !== 'jsonl') {
    throw misfit(path, format.name, 'it is empty: it has not even a header');
  }
  return { path, container, table: undefined };
}

const misfit = (path: string, format: string, why: string) =>
  invalid('FORMAT_MISFIT', `${path} is not in the format "${format}": ${why}.`, {
    hint: 'Leave --format out to have it detected, or describe the layout with --mapping FILE.',
  });
