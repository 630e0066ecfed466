import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetSource } from '../src/engine/parquet.js';
import { type Engine, literal } from '../src/engine/session.js';
import type { LakeHit } from '../src/privacy/lake-finder.js';
import { rewriteParquet } from '../src/privacy/parquet-rewriter.js';
import { parquetOptions, reviews } from './gdpr-lake.js';
import { bytes, count, type Row, seconds } from './report.js';

export interface Watched {
  seconds: number;
  /** Bytes. */
  peak: number;
}

/** How long the work takes, and the largest resident set of the process meanwhile. */
export async function watched(work: () => Promise<void>): Promise<Watched> {
  let peak = 0;
  const look = () => {
    peak = Math.max(peak, process.memoryUsage().rss);
  };
  const timer = setInterval(look, 50);
  const started = performance.now();
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  look();
  return { seconds: (performance.now() - started) / 1000, peak };
}

const rate = (size: number, { seconds: taken }: Watched): number => size / 1e6 / taken;

const copyFile = (engine: Engine, from: string, to: string): Promise<void> =>
  engine.run(`COPY (SELECT * FROM ${parquetSource([from])}) TO ${literal(to)} (${parquetOptions})`);

/** As many files as say what a plain copy of each takes. */
const copied = 500;

/** One more pass over the files that hold any of the people, as `gdpr erase --due` makes it. */
export async function rewriteDue(
  engine: Engine,
  scratch: string,
  work: { home: string; hits: readonly LakeHit[]; ids: readonly string[] },
): Promise<Row[]> {
  const { home, hits, ids } = work;
  await engine.run('CREATE OR REPLACE TABLE person (id VARCHAR)');
  await engine.run(`INSERT INTO person VALUES ${ids.map((id) => `(${literal(id)})`).join(', ')}`);
  await engine.run('SET preserve_insertion_order = true');
  const to = join(scratch, 'due.parquet');
  const some = hits.slice(0, copied);
  const plain = await watched(async () => {
    for (const { unit } of some) await copyFile(engine, join(home, unit.key), to);
  });
  await rm(to, { force: true });
  const condition = 'customer_id IN (SELECT id FROM person)';
  const own = await watched(async () => {
    for (const { unit, rows } of hits) {
      const from = join(home, unit.key);
      await rewriteParquet(engine, { from, to, condition, redact: undefined, rows });
      await rm(to);
    }
  });
  const each = (taken: number, files: number) => `${((taken / files) * 1000).toFixed(1)} ms a file`;
  const keys = new Set(hits.map(({ unit }) => unit.key));
  return [
    {
      name: `rewrite the ${count(keys.size)} small files of ${count(ids.length)} people, ${count(hits.length)} rewrites`,
      ours: `${seconds(own.seconds)}, ${each(own.seconds, hits.length)}`,
      baseline: `${each(plain.seconds, some.length)} (plain copy of ${count(some.length)})`,
      ratio: own.seconds / hits.length / (plain.seconds / some.length),
      target: 'each once',
      met: keys.size === hits.length,
    },
  ];
}

/** About what a row takes in the file, compressed. Bytes. */
const rowBytes = 29;

/** @param wanted bytes of the file */
export async function rewriteLarge(
  engine: Engine,
  scratch: string,
  wanted: number,
  tell: (text: string) => void,
): Promise<Row[]> {
  const from = join(scratch, 'large.parquet');
  tell(`Making a file of ${bytes(wanted)}`);
  await engine.run(
    `COPY (${reviews(0, Math.round(wanted / rowBytes))}) TO ${literal(from)} (${parquetOptions})`,
  );
  const { size } = await stat(from);
  await engine.run('SET preserve_insertion_order = true');
  const copy = join(scratch, 'copy.parquet');
  const plain = await watched(() => copyFile(engine, from, copy));
  await rm(copy);
  const rows: Row[] = [];
  for (const [what, condition] of [
    ['a person', "customer_id IN ('C42')"],
    ['three people', "customer_id IN ('C42', 'C43', 'C44')"],
    ['people in every row group', "customer_id LIKE 'C1%42'"],
  ] as const) {
    tell(`Rewriting it without ${what}`);
    const { own, groups } = await rewriteOnce(engine, from, condition);
    rows.push(
      {
        name: `rewrite ${bytes(size)} without ${what} (${groups}), every value compared`,
        ours: `${rate(size, own).toFixed(0)} MB/s`,
        baseline: `${rate(size, plain).toFixed(0)} MB/s (plain copy by the engine)`,
        target: '≥ 60 MB/s',
        met: rate(size, own) >= 60,
      },
      {
        name: 'memory of that, the whole process',
        ours: bytes(own.peak),
        baseline: `${bytes(plain.peak)} (plain copy)`,
        target: '≤ 1.5 GB',
        met: own.peak <= 1.5e9,
      },
    );
  }
  return rows;
}

async function rewriteOnce(engine: Engine, from: string, condition: string) {
  const [found] = await engine.rows<{ rows: number; held: number; groups: number }>(
    `SELECT count(*) AS rows, count(DISTINCT file_row_number // 122880) AS held,
            (SELECT num_row_groups FROM parquet_file_metadata(${literal(from)})) AS groups
     FROM ${parquetSource([from])} WHERE ${condition}`,
  );
  if (found === undefined || found.rows === 0) throw new Error('Nobody to take out of the file.');
  const to = `${from}.rewritten`;
  const own = await watched(async () => {
    await rewriteParquet(engine, { from, to, condition, redact: undefined, rows: found.rows });
  });
  await rm(to);
  return { own, groups: `${found.held} of ${found.groups} row groups` };
}
