import { isUtf8 } from 'node:buffer';
import { invalid } from '../system/errors.js';
import { scanCsv, splitCsv } from './csv.js';
import { type Container, maximumRecordBytes } from './framer.js';
import { peekSource, type Source } from './source.js';

const peekBytes = 256 << 10;
const peekLines = 200;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** What the start of a source looks like. */
export interface SourceLook extends Source {
  kind: 'lines' | 'json' | 'empty';
  /** Keys of the first JSON objects. */
  keys: string[];
  /** The first line is longer than a record can be: what it holds is not known. */
  firstLineTooLong: boolean;
  /** The first record, as fields between this delimiter. */
  header(container: Container): string[];
}

/**
 * Looks at the first bytes of a source. Errors: those of `readSource`, `IMPORT_FILE_ENCODING`
 * (UTF-16, binary), `IMPORT_FILE_LINE_ENDS` (CR alone), `IMPORT_FILE_JSON` (JSON, but not a JSON
 * object a line).
 */
export async function lookAt(source: Source, signal: AbortSignal): Promise<SourceLook> {
  const { path } = source;
  const peek = await peekSource(source, { least: peekBytes, limit: maximumRecordBytes }, signal);
  let { head } = peek;
  if (/^(fffe|feff)/.test(head.toString('hex', 0, 2))) {
    throw invalid('IMPORT_FILE_ENCODING', `${path} is encoded in UTF-16.`, {
      hint: 'Convert it to UTF-8: iconv -f UTF-16 -t UTF-8 FILE.',
    });
  }
  if (head.toString('hex', 0, 3) === 'efbbbf') head = head.subarray(3);
  const start = head.findIndex((byte) => byte !== lineFeed && byte !== carriageReturn);
  const unknown = { ...source, keys: [], firstLineTooLong: false, header: () => [] };
  if (start === -1) return { ...unknown, kind: 'empty' };
  const text = head.subarray(start);
  const firstLineTooLong = !peek.complete && !text.includes(lineFeed);
  const firstLine = text.subarray(0, firstLineEnd(text));
  if (firstLine.includes(0) || !(firstLineTooLong || isUtf8(firstLine))) {
    const what = firstLine.includes(0) ? 'holds NUL bytes: it is not' : 'is not';
    throw invalid('IMPORT_FILE_ENCODING', `${path} ${what} UTF-8 text.`, {
      hint: 'Import reads CSV, TSV and JSON Lines in UTF-8; iconv -f LATIN1 -t UTF-8 FILE converts text.',
    });
  }
  const first = text.toString('utf8', 0, 64).trimStart()[0];
  if (first === '{' || first === '[') {
    const keys = firstLineTooLong && first === '{' ? [] : jsonKeys(path, text, peek.complete);
    return { ...unknown, kind: 'json', keys, firstLineTooLong };
  }
  if (!text.includes(lineFeed) && text.subarray(0, -1).includes(carriageReturn)) {
    throw invalid('IMPORT_FILE_LINE_ENDS', `${path} ends its lines with CR alone.`, {
      hint: "Convert them: tr '\\r' '\\n' <FILE >NEWFILE.",
    });
  }
  return {
    ...unknown,
    kind: 'lines',
    firstLineTooLong,
    header: (container) => headerOf(text, container, peek.complete),
  };
}

function firstLineEnd(text: Buffer): number {
  const end = text.indexOf(lineFeed);
  return end === -1 ? text.length : end;
}

function headerOf(text: Buffer, container: Container, complete: boolean): string[] {
  if (container.kind === 'tsv') {
    return text.toString('utf8', 0, firstLineEnd(text)).replace(/\r$/, '').split('\t');
  }
  const delimiter = (container.kind === 'csv' ? container.delimiter : ',').charCodeAt(0);
  const scan = scanCsv(text, 0, delimiter, complete);
  if (scan.state !== 'complete') return [];
  return splitCsv(text, 0, scan.end, delimiter).map((field) => field.bytes.toString('utf8'));
}

function jsonKeys(path: string, text: Buffer, complete: boolean): string[] {
  if (text.toString('utf8', 0, 64).trimStart().startsWith('[')) {
    throw invalid('IMPORT_FILE_JSON', `${path} is a JSON array, not JSON Lines.`, {
      hint: 'Write one JSON object a line: jq -c ".[]" FILE >NEWFILE.',
    });
  }
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
        : 'Write one JSON object a line.',
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
