import { existsSync } from 'node:fs';
import { link, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Engine, literal, openEngine } from '../src/engine/session.js';
import { tableFileKey } from '../src/lake/layout.js';

export const signal = new AbortController().signal;

export const openBenchEngine = (scratch: string, threads = 2): Promise<Engine> =>
  openEngine({ memoryLimit: '1GB', threads, scratch, signal });

/** The person that is looked for, whose id nobody else has. */
export const person = 'C1234567x';

/** Reviews of two million customers, no two alike. */
export const reviews = (from: number, to: number): string =>
  `SELECT 'R' || i AS review_id, 'C' || (hash(i) % 2000000) AS customer_id, 'Title ' || i AS title,
          'Review number ' || i || ' of something that was bought, with a text as long as most are: '
            || repeat('it does what it should, and ', (i % 4)::INTEGER) || md5(i::VARCHAR) AS body,
          (i % 5 + 1)::SMALLINT AS rating, i % 2 = 0 AS verified_purchase, (i % 30)::INTEGER AS helpful_votes,
          TIMESTAMPTZ '2025-01-01' + to_seconds(i % 30000000) AS created_at
   FROM range(${from}, ${to}) AS t (i)`;

/** As the pipeline writes them. */
export const parquetOptions =
  'FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, DICTIONARY_SIZE_LIMIT 3000';

const batches = 20;
const makers = 2;

export interface BenchLake {
  home: string;
  paths: string[];
}

/** A lake of many different files, three of which hold the person; one that is there is kept. */
export async function makeLake(root: string, files: number, rowsPerFile: number) {
  const home = join(root, `gdpr-lake-${files}x${rowsPerFile}`);
  const paths = Array.from({ length: files }, (_, file) => {
    const batchId = `202601${String(1 + (file % batches)).padStart(2, '0')}_000000`;
    const part = Math.floor(file / batches);
    const place = { part, parts: Math.ceil(files / batches) + 1, generation: 1 };
    return join(home, tableFileKey('bronze', batchId, 'review', place));
  });
  // Outside of the lake, and written last: half a lake is made again.
  const whole = `${home}.whole`;
  if (existsSync(whole)) return { home, paths };
  await rm(home, { recursive: true, force: true });
  for (const directory of new Set(paths.map(dirname))) await mkdir(directory, { recursive: true });
  const queue = paths.entries();
  const maker = async () => {
    const engine = await openBenchEngine(root, 1);
    for (const [file, path] of queue) {
      const rows = rowsOfFile(file, files, rowsPerFile);
      await engine.run(`COPY (${rows}) TO ${literal(path)} (${parquetOptions})`);
    }
    await engine.close();
  };
  await Promise.all(Array.from({ length: makers }, maker));
  await writeFile(whole, '');
  return { home, paths };
}

function rowsOfFile(file: number, files: number, rowsPerFile: number): string {
  const from = file * rowsPerFile;
  const rows = reviews(from, from + rowsPerFile);
  if (file % Math.ceil(files / 3) !== 1) return rows;
  const id = `CASE WHEN review_id = 'R${from + 7}' THEN '${person}' ELSE customer_id END`;
  return `SELECT * REPLACE (${id} AS customer_id) FROM (${rows})`;
}

/** File systems allow about 65,000 links to a file. */
const mostLinks = 30_000;

/** A lake of many objects that are links to small files: only what is kept of each object grows. */
export async function makeManyObjects(root: string, home: string, objects: number): Promise<void> {
  const engine = await openBenchEngine(root);
  const days = 500;
  for (let object = 0; object < objects; object += 1) {
    const one = join(root, `one-${Math.floor(object / mostLinks)}.parquet`);
    if (object % mostLinks === 0) {
      await rm(one, { force: true });
      await engine.run(`COPY (${reviews(0, 20)}) TO ${literal(one)} (${parquetOptions})`);
    }
    const day = new Date(Date.UTC(2020, 0, 1 + (object % days)));
    const batchId = `${day.toISOString().slice(0, 10).replaceAll('-', '')}_000000`;
    const place = { part: Math.floor(object / days), parts: 2, generation: 1 };
    const path = join(home, tableFileKey('bronze', batchId, 'review', place));
    if (object < days) await mkdir(dirname(path), { recursive: true });
    await link(one, path);
  }
  await engine.close();
}
