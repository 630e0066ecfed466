import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProgressEvent } from '../../src/system/progress.js';
import { makeWorkshop, type Workshop } from './support.js';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await makeWorkshop();
});
afterAll(() => workshop.remove());

const fineFood = 'ProductId,UserId,Score,Time,Summary,Text\n';
const refusals: [string, string | Buffer, string, RegExp][] = [
  ['a header nobody knows', 'a,b,c\n1,2,3\n', 'FORMAT_UNKNOWN', /its header is a, b, c/],
  ['a tab separated one', 'a\tb,c\td\n', 'FORMAT_UNKNOWN', /\(tab separated\) is a, b,c, d/],
  ['JSON keys nobody knows', '{"a": 1}\n{"b": 2}\n', 'FORMAT_UNKNOWN', /JSON keys are a, b/],
  ['a JSON array', '[{"a": 1},\n{"b": 2}]\n', 'IMPORT_FILE_JSON', /a JSON array/],
  // One of its lines is an object, which alone would look like JSON Lines.
  [
    'a JSON array with an object a line',
    '[\n{"a": 1},\n{"b": 2}\n]\n',
    'IMPORT_FILE_JSON',
    /array/,
  ],
  ['lines that end in CR alone', 'a,b\r1,2\r', 'IMPORT_FILE_LINE_ENDS', /CR alone/],
  [
    'a first line longer than a record can be',
    `{"asin": "${'x'.repeat(5 << 20)}"}\n{"asin": "B"}\n`,
    'FORMAT_UNKNOWN',
    /first line of .* is longer than 4 MiB/,
  ],
  ['Python dictionaries', "{'asin': 'x'}\n", 'IMPORT_FILE_JSON', /Python dictionaries/],
  ['an empty file', '', 'FORMAT_UNKNOWN', /is empty/],
  [
    'what fits two formats',
    'ProductId,UserId,Score,Time,Summary,Text,id,reviews.rating,reviews.text,reviews.title,reviews.username\n',
    'FORMAT_AMBIGUOUS',
    /datafiniti, fine-food/,
  ],
  ['UTF-16', Buffer.from(`\ufeff${fineFood}`, 'utf16le'), 'IMPORT_FILE_ENCODING', /UTF-16/],
  ['a binary file', Buffer.from([1, 0, 2, 0]), 'IMPORT_FILE_ENCODING', /NUL bytes/],
  ['random bytes', Buffer.from([0xff, 0xc0, 9, 0x80, 10]), 'IMPORT_FILE_ENCODING', /not UTF-8/],
  [
    'a header in Latin 1',
    Buffer.from('review_id,pr\u00e9nom\n', 'latin1'),
    'IMPORT_FILE_ENCODING',
    /not UTF-8/,
  ],
  ['a zip archive', Buffer.from('PK\u0003\u0004....'), 'IMPORT_FILE_PACKED', /a zip archive/],
  [
    'a gzip file cut short',
    gzipSync(fineFood + 'F,U,5,1,s,t\n'.repeat(100_000)).subarray(0, 2000),
    'IMPORT_FILE_TRUNCATED',
    /ends in the middle/,
  ],
  [
    'a damaged gzip file',
    Buffer.concat([gzipSync(fineFood).subarray(0, 12), Buffer.alloc(60, 7)]),
    'IMPORT_FILE_CORRUPT',
    /is damaged/,
  ],
];

describe('detection', () => {
  it.each(refusals)('refuses %s', async (_what, content, code, message) => {
    const path = await workshop.write('source', content);
    await expect(workshop.import([path])).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(/\w/),
    });
  });

  it('lists the formats it knows', async () => {
    const path = await workshop.write('source', 'a,b\n');
    await expect(workshop.import([path])).rejects.toMatchObject({
      hint: expect.stringMatching(/tables, amazon-tsv, .*--mapping/),
    });
    await expect(workshop.import([path], { format: 'nope' })).rejects.toMatchObject({
      code: 'FORMAT_NOT_FOUND',
      hint: expect.stringMatching(/ucsd-2023/),
    });
  });

  it('refuses files of different formats, and a file that is not there', async () => {
    const food = await workshop.write('food.csv', fineFood);
    const table = await workshop.write('carrier.csv', 'carrier_id,name\n');
    await expect(workshop.import([food, table])).rejects.toMatchObject({
      code: 'FORMATS_MIXED',
    });
    await expect(workshop.import([`${food}.no`])).rejects.toMatchObject({
      code: 'IMPORT_FILE_NOT_FOUND',
      exitCode: 2,
    });
  });

  it('says what a named format misses', async () => {
    const path = await workshop.write('food.csv', 'ProductId,UserId\n');
    await expect(workshop.import([path], { format: 'fine-food' })).rejects.toMatchObject({
      code: 'FORMAT_MISFIT',
      message: expect.stringContaining('no column Score, Time, Summary, Text'),
    });
  });

  it('tells JSON of another layout from records that lack a key', async () => {
    const later = '{"rating":5,"text":"t","user_id":"U","asin":"A","timestamp":1588687728923}\n';
    const path = await workshop.write('later.jsonl', later);
    await expect(workshop.import([path], { format: 'ucsd-2018' })).rejects.toMatchObject({
      code: 'FORMAT_MISFIT',
      message: expect.stringMatching(/no key/),
    });
    const both = await workshop.write('both.jsonl', later.replace('}', ',"overall":5}'));
    await expect(workshop.import([both], { format: 'ucsd-2023' })).rejects.toMatchObject({
      code: 'FORMAT_MISFIT',
      message: expect.stringMatching(/has the key overall/),
    });
    const sparse = await workshop.write('sparse.jsonl', later.replace('"rating":5,', ''));
    expect(await workshop.import([sparse], { format: 'ucsd-2023' })).toMatchObject({
      read: 1,
      loaded: 1,
    });
  });

  it('keeps messages short, however long names are', async () => {
    const path = await workshop.write('long', `${'x'.repeat(300_000)},${'y,'.repeat(20_000)}z\n`);
    const error: unknown = await workshop.import([path]).catch((e) => e);
    expect(error).toMatchObject({ code: 'FORMAT_UNKNOWN' });
    expect((error as Error).message.length).toBeLessThan(3000);
  });

  it('reads pipes and standard input, which can be read only once, and keeps no copy', async () => {
    const record = (id: string) => `${id},U,5,1,s,t\n`;
    const pipe = join(workshop.directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const writing = writeFile(pipe, gzipSync(fineFood + record('PIPE')));
    const [result] = await Promise.all([workshop.import([pipe]), writing]);
    expect(result).toMatchObject({ read: 1, loaded: 1, files: [{ path: pipe }] });
    const typed = await workshop.import(['-'], {
      stdin: Readable.from([Buffer.from(fineFood), Buffer.from(`${record('STDIN')}bad\n`)]),
    });
    expect(typed).toMatchObject({ read: 2, loaded: 1, rejected: 1 });
    const reject = readFileSync(typed.rejectsFile ?? '', 'utf8');
    expect(JSON.parse(reject)).toMatchObject({ file: 'standard input', line: 3 });
  });

  it('refuses a device, and a file that changes while it is read', async () => {
    await expect(workshop.import(['/dev/null'])).rejects.toMatchObject({
      code: 'IMPORT_FILE_KIND',
      exitCode: 2,
    });
    const path = await workshop.write('growing.csv', fineFood + 'GROW,U,5,1,s,t\n'.repeat(1000));
    const writer = (event: ProgressEvent) => {
      if (event.type === 'progress') appendFileSync(path, 'GROW2,U,5,1,s,t\n');
    };
    await expect(
      workshop.import([path], {
        context: { report: writer, signal: new AbortController().signal, now: () => new Date() },
      }),
    ).rejects.toMatchObject({ code: 'IMPORT_FILE_CHANGED', exitCode: 1 });
    expect(
      await workshop.client.query(`SELECT FROM amazon.product WHERE product_id LIKE 'GROW%'`),
    ).toHaveLength(0);
  });

  it('reads a header alone, an empty JSON Lines file, and every gzip member', async () => {
    const header = await workshop.write('food.csv', fineFood);
    expect(await workshop.import([header])).toMatchObject({ read: 0, loaded: 0 });
    const empty = await workshop.write('empty', '');
    expect(await workshop.import([empty], { format: 'ucsd-2018' })).toMatchObject({
      read: 0,
      rejectsFile: null,
    });
    const members = await workshop.write(
      'members',
      Buffer.concat([
        gzipSync(`${fineFood}F1,U,5,1,s,t\nF2,U,`),
        gzipSync('5,1,s,t\nF3,U,5,1,s,t\n'),
      ]),
    );
    expect(await workshop.import([members])).toMatchObject({ loaded: 3 });
  });
});
