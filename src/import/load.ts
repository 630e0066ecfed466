import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { DatabaseClient } from '../database/client.js';
import { quoteIdentifier, quoteTable } from '../database/identifiers.js';
import { type Engine, literal } from '../engine/session.js';
import type { JobContext } from '../system/progress.js';
import { type Catalog, foreignKeyOrder, type TableInfo } from './catalog.js';
import { suspendForeignKeys } from './foreign-keys.js';
import { rejectForeignKeys, rejectOwnConstraints, serverRejects } from './server-checks.js';
import { type StagedTable, stagingName } from './staging.js';
import { columnCast } from './types.js';

/** A staged table as one CSV file, ready for COPY. */
export interface ExportedTable extends StagedTable {
  csv: string;
}

/** Writes each staged table to a CSV file under `scratch`. */
export async function exportTables(
  engine: Engine,
  tables: readonly StagedTable[],
  scratch: string,
): Promise<ExportedTable[]> {
  const exported: ExportedTable[] = [];
  for (const [index, table] of tables.entries()) {
    const csv = join(scratch, `load-${index}.csv`);
    await engine.run(
      `COPY (${table.select}) TO ${literal(csv)} (FORMAT csv, HEADER false, NULLSTR '')`,
    );
    exported.push({ ...table, csv });
  }
  return exported;
}

export interface LoadedTable {
  table: TableInfo;
  /** Rows that are new in the database. */
  rows: number;
  /** Rows new, rejected here and folded into what was there already, by source. */
  loaded: number[];
  rejected: number[];
  folded: number[];
}

export interface LoadOptions {
  client: DatabaseClient;
  catalog: Catalog;
  tables: readonly ExportedTable[];
  /** Number of sources. */
  files: number;
  /** Whether rows were made by a mapping, which leaves no dangling reference. */
  mapped: boolean;
  /** Whether foreign keys may be taken off and put back (foreign-keys.ts): in a schema of ours. */
  suspendForeignKeys: boolean;
  context: JobContext;
}

/**
 * Loads staged tables, parents first, inside the caller's transaction. What the server refuses is
 * collected in the temporary table `import_rejected`. Rows whose key is there already are folded.
 */
export async function loadTables(options: LoadOptions): Promise<LoadedTable[]> {
  const { client, catalog, tables } = options;
  // One import at a time into a schema: two would wait for each other's keys half-way.
  await client.query(`SELECT pg_advisory_xact_lock(hashtext('reviewops import'), hashtext($1))`, [
    catalog.schema,
  ]);
  await client.execute(serverRejects);
  for (const table of tables) await copyTable(table, options);
  const restore = options.suspendForeignKeys
    ? await suspendForeignKeys(client, catalog, tables)
    : undefined;
  const loaded: LoadedTable[] = [];
  const order = foreignKeyOrder(
    tables.map((staged) => staged.table),
    catalog.schema,
  );
  for (const info of order) {
    const staged = tables.find((candidate) => candidate.table.name === info.name);
    if (staged !== undefined) loaded.push(await insertTable(staged, options));
  }
  await restore?.();
  return loaded;
}

async function copyTable(staged: ExportedTable, options: LoadOptions): Promise<void> {
  const { client, context } = options;
  const { from } = await import('pg-copy-streams');
  const started = performance.now();
  const task = `load ${staged.table.name}`;
  const total = staged.rows;
  const size = Math.max((await stat(staged.csv)).size, 1);
  context.report({ type: 'started', task, total, unit: 'rows' });
  const columns = staged.columns.map((name) => {
    const column = staged.table.columns.find((candidate) => candidate.name === name);
    return `${quoteIdentifier(name)} ${column === undefined ? 'text' : columnCast(column).stagingType}`;
  });
  const name = stagingName(staged.table);
  await client.execute(
    `CREATE TEMPORARY TABLE ${name} (import_file integer, import_line bigint, ${columns.join(', ')}) ON COMMIT DROP`,
  );
  await client.use(async (connection) => {
    const source = createReadStream(staged.csv, { highWaterMark: 1 << 20 });
    let sent = 0;
    source.on('data', (chunk) => {
      sent += chunk.length;
      const done = Math.round((total * sent) / size);
      context.report({ type: 'progress', task, done, total, unit: 'rows' });
    });
    const target = connection.query(from(`COPY ${name} FROM STDIN (FORMAT csv, ENCODING 'UTF8')`));
    await pipeline(source, target, { signal: context.signal });
  });
  await rm(staged.csv);
  context.report({ type: 'finished', task, seconds: (performance.now() - started) / 1000 });
}

async function insertTable(staged: ExportedTable, options: LoadOptions): Promise<LoadedTable> {
  const { client, catalog, files, mapped } = options;
  const { table } = staged;
  if (!mapped) {
    await client.execute(`ANALYZE ${stagingName(table)}`);
    await rejectOwnConstraints(client, catalog, staged);
    await rejectForeignKeys(client, catalog, staged);
  }
  const loaded = await insertRows(staged, options);
  const zeros = () => new Array<number>(files).fill(0);
  const rejected = mapped ? zeros() : await rejectedByFile(client, staged, files);
  const staging = zeros();
  if (staged.counts) {
    for (const row of await client.query<{ file: number; rows: string }>(
      `SELECT import_file AS file, count(*) AS rows FROM ${stagingName(table)} GROUP BY 1`,
    )) {
      staging[row.file] = Number(row.rows);
    }
  }
  return {
    table,
    rows: loaded.reduce((sum, rows) => sum + rows, 0),
    loaded,
    rejected,
    folded: staging.map((rows, index) => rows - (loaded[index] ?? 0)),
  };
}

/** Rows deleted from staging by the server's checks, by source. */
async function rejectedByFile(
  client: DatabaseClient,
  staged: StagedTable,
  files: number,
): Promise<number[]> {
  const counts = new Array<number>(files).fill(0);
  const rows = await client.query<{ file: number; rows: string }>(
    `SELECT file, count(*) AS rows FROM import_rejected WHERE table_name = $1 GROUP BY 1`,
    [staged.table.name],
  );
  for (const row of rows) counts[row.file] = Number(row.rows);
  return counts;
}

/** Moves what is left of staging to the table; returns the new rows by source. */
async function insertRows(staged: StagedTable, options: LoadOptions): Promise<number[]> {
  const { client, catalog, files } = options;
  const { table } = staged;
  const target = quoteTable(catalog.schema, table.name);
  const names = staged.columns.map(quoteIdentifier).join(', ');
  const values = staged.columns.map((name) => {
    const column = table.columns.find((candidate) => candidate.name === name);
    const value = `s.${quoteIdentifier(name)}`;
    return column === undefined || columnCast(column).stagingType === column.type
      ? value
      : `CAST(${value} AS ${column.type})`;
  });
  const overriding = table.columns.some(
    (column) => column.alwaysIdentity && staged.columns.includes(column.name),
  )
    ? 'OVERRIDING SYSTEM VALUE '
    : '';
  const keyed = table.key.length > 0 && table.key.every((name) => staged.columns.includes(name));
  const from = `${stagingName(table)} AS s`;
  const counts = new Array<number>(files).fill(0);
  if (!keyed) {
    // Without a key of its own the whole row is the key.
    const known =
      table.key.length > 0
        ? ''
        : ` WHERE NOT EXISTS (SELECT FROM ${target} AS t WHERE (${staged.columns.map((name) => `t.${quoteIdentifier(name)}`).join(', ')}) IS NOT DISTINCT FROM (${values.join(', ')}))`;
    return countInserted(
      client,
      counts,
      `${from}${known}`,
      (file) =>
        `INSERT INTO ${target} (${names}) ${overriding}SELECT ${values.join(', ')} FROM ${from}${known === '' ? ' WHERE' : `${known} AND`} s.import_file = ${file}`,
    );
  }
  const key = table.key.map(quoteIdentifier).join(', ');
  const insert = `INSERT INTO ${target} AS t (${names}) ${overriding}SELECT ${values.join(', ')} FROM ${from} ON CONFLICT (${key}) DO NOTHING`;
  if (files === 1) {
    counts[0] = await client.execute(insert);
    return counts;
  }
  return countInserted(client, counts, from, (file) =>
    insert.replace(' ON CONFLICT', ` WHERE s.import_file = ${file} ON CONFLICT`),
  );
}

/** Runs one insert for each source that has rows. */
async function countInserted(
  client: DatabaseClient,
  counts: number[],
  from: string,
  insert: (file: number) => string,
): Promise<number[]> {
  const present = await client.query<{ file: number }>(
    `SELECT DISTINCT s.import_file AS file FROM ${from} ORDER BY 1`,
  );
  for (const { file } of present) counts[file] = await client.execute(insert(file));
  return counts;
}
