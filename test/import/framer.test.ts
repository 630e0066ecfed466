import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, openEngine } from '../../src/engine/session.js';
import {
  type Container,
  Framer,
  type MalformedRecord,
  maximumRecordBytes,
} from '../../src/import/framer.js';
import { readFramed } from '../../src/import/reader.js';

const csv: Container = { kind: 'csv', delimiter: ',' };
const tsv: Container = { kind: 'tsv' };
const jsonl: Container = { kind: 'jsonl' };

interface Framed {
  framer: Framer;
  text: string;
  malformed: MalformedRecord[];
}

/** Frames bytes that arrive in pieces of the given size. */
function frame(container: Container, input: string | Buffer, piece = 1 << 20): Framed {
  const bytes = Buffer.from(input);
  const malformed: MalformedRecord[] = [];
  const framer = new Framer(container, (record) => malformed.push(record));
  const out: string[] = [];
  for (let from = 0; from < bytes.length; from += piece) {
    // The framer may keep nothing of memory that its caller uses again.
    const chunk = Buffer.from(bytes.subarray(from, from + piece));
    out.push(framer.push(chunk).toString('utf8'));
    chunk.fill(0x3f);
  }
  out.push(framer.end().toString('utf8'));
  return { framer, text: out.join(''), malformed };
}

const short = ({ line, rule, reason }: MalformedRecord) => ({ line, rule, reason });

describe('framing CSV', () => {
  it('leads each record with the line it starts on', () => {
    const { text, framer } = frame(csv, 'a,b\n1,"x\r\ny"\r\n\r\n2,z');
    expect(text).toBe('2,1,"x\r\ny"\n5,2,z\n');
    expect(framer).toMatchObject({ header: ['a', 'b'], records: 2, malformed: 0, blankLines: 1 });
  });

  it('takes a quote inside an unquoted field and a lone CR as data', () => {
    expect(frame(csv, 'a,b\n1" long,x\ry\n').text).toBe('2,"1"" long","x\ry"\n');
  });

  it('tells an empty field from a quoted empty one', () => {
    expect(frame(csv, 'a,b,c\n,"",x"y\n').text).toBe('2,,"","x""y"\n');
  });

  it('drops a byte order mark, also one that arrives byte by byte', () => {
    const bytes = Buffer.from('\ufeffa,b\n1,2\n');
    expect(frame(csv, bytes).framer.header).toEqual(['a', 'b']);
    expect(frame(csv, bytes, 1).framer.header).toEqual(['a', 'b']);
  });

  it('unquotes the header', () => {
    expect(frame(csv, '"a ""b""","c\nd"\n').framer.header).toEqual(['a "b"', 'c\nd']);
  });

  it('reads other delimiters', () => {
    const semicolon: Container = { kind: 'csv', delimiter: ';' };
    expect(frame(semicolon, 'a;b\n1,5;"x;y"\n').text).toBe('2,"1,5","x;y"\n');
  });

  it.each([
    ['nothing', '', undefined],
    ['a header alone', 'a,b\n', ['a', 'b']],
    ['a header without line end', 'a,b', ['a', 'b']],
    ['blank lines alone', '\n\r\n\n', undefined],
  ])('reads %s', (_what, input, header) => {
    const { framer, text } = frame(csv, input);
    expect({ header: framer.header, records: framer.records, text }).toEqual({
      header,
      records: 0,
      text: '',
    });
  });

  it('rejects a wrong number of fields and goes on', () => {
    const { malformed, text } = frame(csv, 'a,b\n1\n1,2,3\n4,5\n');
    expect(malformed.map(short)).toEqual([
      { line: 2, rule: 'field_count', reason: 'has 1 field, the header has 2' },
      { line: 3, rule: 'field_count', reason: 'has 3 fields, the header has 2' },
    ]);
    expect(text).toBe('4,4,5\n');
  });

  it('loses one line to a stray quote, not the rest of the file', () => {
    const { malformed, text } = frame(csv, 'a,b\n1,"x\n2,y\n3,"z"\n4,w\n');
    expect(malformed.map(short)).toEqual([
      { line: 2, rule: 'text_after_quote', reason: 'text follows the closing quote of field 2' },
    ]);
    expect(text).toBe('3,2,y\n4,3,"z"\n5,4,w\n');
    expect(malformed[0]?.record).toBe('1,"x');
  });

  it('rejects a quote that is open at the end, and keeps the lines behind it', () => {
    const { malformed, text } = frame(csv, 'a,b\n1,x\n2,"y\n3,z\n');
    expect(malformed.map(short)).toEqual([
      {
        line: 3,
        rule: 'unterminated_quote',
        reason: 'the quote that opens field 2 is never closed',
      },
    ]);
    expect(text).toBe('2,1,x\n4,3,z\n');
  });

  it('rejects invalid UTF-8 and NUL bytes one by one', () => {
    const bytes = Buffer.concat([
      Buffer.from('a,b\n1,ä\n2,'),
      Buffer.from([0xff, 0x0a]),
      Buffer.from('3,\0\n4,😀\n'),
    ]);
    for (const piece of [1, 3, 1000]) {
      const { malformed, text } = frame(csv, bytes, piece);
      expect(malformed.map(({ line, rule }) => [line, rule])).toEqual([
        [3, 'invalid_utf8'],
        [4, 'nul_byte'],
      ]);
      expect(text).toBe('2,1,ä\n5,4,😀\n');
    }
  });

  it('rejects a record that is too long and keeps the line numbers', () => {
    const long = 'x'.repeat(maximumRecordBytes);
    for (const piece of [1 << 16, 1 << 24]) {
      const { malformed, text } = frame(csv, `a,b\n1,${long}\n2,y\n3,"${long}\n4,z\n`, piece);
      expect(malformed.map(({ line, rule }) => [line, rule])).toEqual([
        [2, 'record_too_long'],
        [4, 'record_too_long'],
      ]);
      expect(text).toBe('3,2,y\n5,4,z\n');
      expect(malformed[0]?.record.length).toBeLessThan(20_000);
    }
  });

  it('does not hold a quoted field of many lines for ever', () => {
    const lines = '2,y\n'.repeat(maximumRecordBytes / 4 + 10);
    const { malformed, framer } = frame(csv, `a,b\n1,"x\n${lines}`, 1 << 16);
    expect(malformed.map(({ line, rule }) => [line, rule])).toEqual([[2, 'unterminated_quote']]);
    expect(framer.records).toBe(maximumRecordBytes / 4 + 10);
  });
});

describe('framing TSV', () => {
  it('takes quotes as data and one line as one record', () => {
    const { text, malformed } = frame(tsv, 'a\tb\r\n"x\t5" y\r\n\n1\t\u001a\n1\t2\t3');
    expect(text).toBe('2,"""x","5"" y"\n4,"1","\u001a"\n');
    expect(malformed.map(short)).toEqual([
      { line: 5, rule: 'field_count', reason: 'has 3 fields, the header has 2' },
    ]);
  });
});

describe('framing JSON Lines', () => {
  it('makes one field of each line', () => {
    const { text, framer } = frame(jsonl, '{"a": "x"}\r\n  \n{"b": 1}');
    expect(text).toBe('1,"{""a"": ""x""}"\n3,"{""b"": 1}"\n');
    expect(framer).toMatchObject({ header: undefined, records: 2, blankLines: 1 });
  });
});

describe('what is framed', () => {
  let directory: string;
  let engine: Engine;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'framer-'));
    engine = await openEngine({
      memoryLimit: '512MB',
      threads: 2,
      scratch: directory,
      signal: new AbortController().signal,
    });
  });
  afterAll(async () => {
    engine.close();
    await rm(directory, { recursive: true });
  });

  async function readBack({ framer, text }: Framed): Promise<(string | null)[][]> {
    const canonical = join(directory, 'canonical.csv');
    await writeFile(canonical, text);
    const file = { ...framer, path: '', canonical, header: framer.header } as never;
    const rows = await engine.rows<Record<string, string | null>>(
      `SELECT * FROM ${readFramed(file)} ORDER BY line`,
    );
    return rows.map((row) => Object.values(row).slice(1) as (string | null)[]);
  }

  // Text with all that separates and quotes, and characters of one to four bytes.
  const cell = fc.string({
    unit: fc.constantFrom(
      'a',
      ' ',
      ',',
      '\t',
      '"',
      '\n',
      '\r',
      '\\',
      "'",
      '\u001a',
      'ß',
      '€',
      '😀',
    ),
    maxLength: 12,
  });
  const piece = fc.integer({ min: 1, max: 40 });
  const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;

  it('is read back by the engine as it was: CSV', async () => {
    const field = fc.record({ text: cell, quoted: fc.boolean() });
    const property = fc.asyncProperty(
      fc.array(fc.tuple(field, field, field), { maxLength: 8 }),
      fc.constantFrom('\n', '\r\n'),
      fc.boolean(),
      piece,
      async (records, lineEnd, ended, size) => {
        const render = ({ text, quoted }: { text: string; quoted: boolean }) =>
          quoted || /[",\n\r]/.test(text) ? quote(text) : text;
        const lines = ['a,b,c', ...records.map((record) => record.map(render).join(','))];
        const framed = frame(csv, lines.join(lineEnd) + (ended ? lineEnd : ''), size);
        expect(framed.malformed).toEqual([]);
        expect(await readBack(framed)).toEqual(
          records.map((record) =>
            record.map((entry) => (render(entry) === '' ? null : entry.text)),
          ),
        );
      },
    );
    await fc.assert(property, { numRuns: 60 });
  });

  it('is read back by the engine as it was: TSV', async () => {
    const plain = cell.map((text) => text.replace(/[\t\n\r]/g, ''));
    const property = fc.asyncProperty(
      fc.array(fc.tuple(plain, plain), { maxLength: 8 }),
      piece,
      async (records, size) => {
        const framed = frame(
          tsv,
          ['a\tb', ...records.map((row) => row.join('\t'))].join('\n'),
          size,
        );
        expect(await readBack(framed)).toEqual(records);
      },
    );
    await fc.assert(property, { numRuns: 40 });
  });

  it('is read back by the engine as it was: JSON Lines', async () => {
    const property = fc.asyncProperty(
      fc.array(fc.dictionary(cell, cell), { maxLength: 8 }),
      piece,
      async (objects, size) => {
        const lines = objects.map((object) => JSON.stringify(object));
        expect(await readBack(frame(jsonl, lines.join('\n'), size))).toEqual(
          lines.map((line) => [line]),
        );
      },
    );
    await fc.assert(property, { numRuns: 40 });
  });

  it('does not depend on where the bytes are cut, nor loses a line, whatever they are', () => {
    const noise = fc.string({
      unit: fc.constantFrom('a', ',', '"', '\n', '\r', '\0', 'é'),
      maxLength: 60,
    });
    fc.assert(
      fc.property(noise, piece, (text, size) => {
        const whole = frame(csv, text);
        const cut = frame(csv, text, size);
        expect(cut.text).toBe(whole.text);
        expect(cut.malformed).toEqual(whole.malformed);
        expect(cut.framer.records + cut.framer.malformed).toBe(
          whole.framer.records + whole.framer.malformed,
        );
      }),
      { numRuns: 500 },
    );
  });
});
