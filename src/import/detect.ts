import { invalid } from '../system/errors.js';
import type { Catalog } from './catalog.js';
import { type Container, maximumRecordBytes } from './framer.js';
import type { SourceLook } from './look.js';
import type { Mapping } from './mapping.js';
import type { Source } from './source.js';
import { explainMisfit, findTable, listed, type TableMatch } from './table-match.js';

/** How a source will be read. */
export interface SourcePlan extends Source {
  container: Container;
  /** For the format `tables`. */
  table: TableMatch | undefined;
  /** Made for this import: removed once it was read. */
  temporary?: true;
}

export type ImportFormat = { name: 'tables' } | { name: string; mapping: Mapping };

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
    if (only === undefined && look.kind === 'empty') throw emptyFile(look.path, mappings);
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

/** Only JSON Lines have no header: there, an empty file is one of no records. */
function emptyFile(path: string, mappings: readonly Mapping[]) {
  const headless = mappings.filter(({ container }) => container.kind === 'jsonl');
  return invalid('FORMAT_UNKNOWN', `${path} is empty: it has not even a header.`, {
    hint: `Leave the file out, or, if it should be JSON Lines, name them with --format (${headless.map(({ format }) => format).join(', ')}).`,
  });
}

function unknownFormat(look: SourceLook, known: string, catalog: Catalog) {
  if (look.firstLineTooLong) {
    const limit = `${maximumRecordBytes >> 20} MiB`;
    return invalid(
      'FORMAT_UNKNOWN',
      `The first line of ${look.path} is longer than ${limit}: its format cannot be told.`,
      { hint: `Name its format with --format (${known}); the line itself will be rejected.` },
    );
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
  const { path, file } = look;
  if (!('mapping' in format)) {
    const header = look.header(tablesContainer);
    const table = look.kind === 'lines' ? findTable(path, header, catalog) : undefined;
    if (table !== undefined) return { path, file, container: tablesContainer, table };
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
    assertNames(look, format.mapping);
  } else if (container.kind !== 'jsonl') {
    throw misfit(path, format.name, 'it is empty: it has not even a header', 'Leave the file out.');
  }
  return { path, file, container, table: undefined };
}

/** A column must be there. A JSON key may be absent from the first records, but hardly most of them. */
function assertNames(look: SourceLook, mapping: Mapping): void {
  const { container, detect, format } = mapping;
  const names = namesSeen(look, container);
  const missing = missingFrom(names, mapping);
  if (container.kind !== 'jsonl') {
    if (missing.length === 0) return;
    throw misfit(look.path, format, `it has no column ${listed(missing)}`);
  }
  if (look.firstLineTooLong) return;
  const other = detect.absent.find((name) => names.includes(name));
  if (other !== undefined) throw misfit(look.path, format, `it has the key ${other}`);
  if (missing.length > detect.required.length / 2) {
    throw misfit(look.path, format, `its first records have no key ${listed(missing)}`);
  }
}

const misfit = (
  path: string,
  format: string,
  why: string,
  hint = 'Leave --format out to have it detected, or describe the layout with --mapping FILE.',
) => invalid('FORMAT_MISFIT', `${path} is not in the format "${format}": ${why}.`, { hint });
