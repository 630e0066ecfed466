import { fileLiteral, literal, quoteName } from '../engine/session.js';
import type { FramedFile } from './frame.js';
import { maximumRecordBytes } from './framer.js';

/** Name of the nth field in the canonical file; `f0` also holds a whole JSON line. */
export const fieldName = (index: number): string => `f${index}`;

/**
 * A table expression of the engine over a framed file: `line`, then `f0`, `f1` … as text. An empty
 * field is NULL, a quoted empty one is ''.
 */
export function readFramed(file: FramedFile): string {
  const fields = file.header?.length ?? 1;
  const columns = ["'line': 'BIGINT'"];
  for (let index = 0; index < fields; index += 1) {
    columns.push(`${literal(fieldName(index))}: 'VARCHAR'`);
  }
  // Quotes are doubled in the canonical form.
  const longest = 2 * maximumRecordBytes + 1024;
  // Not in parallel: a scan that starts inside a quoted field has to guess.
  return `read_csv(${fileLiteral(file.canonical)}, auto_detect = false, header = false, delim = ',', quote = '"', escape = '"', new_line = '\\n', nullstr = '', allow_quoted_nulls = false, strict_mode = true, parallel = false, max_line_size = ${longest}, buffer_size = ${longest * 4}, columns = {${columns.join(', ')}})`;
}

/** The struct of a record's source columns; '' is NULL, as is a column the source lacks. */
export function sourceStruct(file: FramedFile, columns: readonly string[]): string {
  if (file.header === undefined) {
    const shape = JSON.stringify(Object.fromEntries(columns.map((name) => [name, 'VARCHAR'])));
    const members = columns.map((name) => `${quoteName(name)} := nullif(j.${quoteName(name)}, '')`);
    return `(SELECT line, f0 AS raw, struct_pack(${members.join(', ')}) AS source FROM (SELECT line, f0, TRY(json_transform(f0, ${literal(shape)})) AS j FROM ${readFramed(file)}))`;
  }
  const header = file.header;
  const members = columns.map((name) => {
    const index = header.indexOf(name);
    const value = index === -1 ? 'CAST(NULL AS VARCHAR)' : `nullif(${fieldName(index)}, '')`;
    return `${quoteName(name)} := ${value}`;
  });
  return `(SELECT line, CAST(NULL AS VARCHAR) AS raw, struct_pack(${members.join(', ')}) AS source FROM ${readFramed(file)})`;
}

/** The whole record as JSON, for the rejects file: `line`, `record`. */
export function sourceRecords(file: FramedFile): string {
  if (file.header === undefined) {
    // As text: the engine takes NaN for JSON, other readers of the rejects file do not.
    return `(SELECT line, to_json(f0) AS record FROM ${readFramed(file)})`;
  }
  const names = uniqueNames(file.header);
  const members = names.map((name, index) => `${quoteName(name)} := ${fieldName(index)}`);
  return `(SELECT line, to_json(struct_pack(${members.join(', ')})) AS record FROM ${readFramed(file)})`;
}

/** Struct members must differ, in more than case, and have a name. */
function uniqueNames(header: readonly string[]): string[] {
  const seen = new Set<string>();
  return header.map((name, index) => {
    const wanted = name === '' ? 'index' : name;
    const unique = seen.has(wanted.toLowerCase()) ? `${wanted}_${index}` : wanted;
    seen.add(unique.toLowerCase());
    return unique;
  });
}
