import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { copyIn, copyOut, copyToFile } from '../src/database/copy.js';
import { quoteTable } from '../src/database/identifiers.js';
import { batchColumns, factColumns } from '../src/pipeline/fact-columns.js';
import { config, type Home } from './home.js';

const { schema, tables } = config.source;

/** Seconds for `COPY … TO STDOUT` of every extracted table, one after the other, thrown away. */
export async function rawCopyOut(home: Home): Promise<number> {
  if (tables === 'all') throw new Error('The default configuration names its tables.');
  return home.sql(async (client) => {
    const started = performance.now();
    for (const table of tables) {
      await copyOut(client, `COPY ${quoteTable(schema, table)} TO STDOUT`, () => undefined);
    }
    return (performance.now() - started) / 1000;
  });
}

const columns = [...factColumns, ...batchColumns].join(', ');

/** Writes the rows that the last load published to a CSV file. */
export async function dumpFacts(home: Home): Promise<{ path: string; rows: number }> {
  const path = join(home.directory, 'bench-facts.csv');
  const { rows } = await home.sql((client) =>
    copyToFile(
      client,
      `COPY (SELECT ${columns} FROM ${quoteTable(config.serving.schema, config.serving.table)}) TO STDOUT (FORMAT csv)`,
      path,
    ),
  );
  return { path, rows };
}

/** Seconds for `COPY … FROM STDIN` of the same rows into an unlogged table with the same indexes. */
export async function rawCopyIn(home: Home, path: string): Promise<number> {
  return home.sql(async (client) => {
    await client.execute('DROP TABLE IF EXISTS public.bench_facts');
    await client.execute(
      `CREATE UNLOGGED TABLE public.bench_facts (LIKE ${quoteTable(config.serving.schema, config.serving.table)} INCLUDING ALL)`,
    );
    try {
      const started = performance.now();
      await copyIn(
        client,
        `COPY public.bench_facts (${columns}) FROM STDIN (FORMAT csv)`,
        createReadStream(path, { highWaterMark: 256 * 1024 }),
      );
      return (performance.now() - started) / 1000;
    } finally {
      await client.execute('DROP TABLE public.bench_facts');
    }
  });
}
