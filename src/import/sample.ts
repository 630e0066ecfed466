import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withClient } from '../database/client.js';
import { quoteIdentifier, quoteTable } from '../database/identifiers.js';
import { type Engine, literal, openEngine, quoteName } from '../engine/session.js';
import { invalid } from '../system/errors.js';
import { type Catalog, readCatalog, type TableInfo } from './catalog.js';
import { type ImportFormat, planSource, type SourcePlan } from './detect.js';
import { importPlanned } from './import.js';
import { clientOptions, type ImportBase, type ImportedFile, type ImportResult } from './job.js';
import { lookAt } from './look.js';
import { countRows } from './staging.js';

export interface SampleOptions extends ImportBase {
  /** Number of reviews. */
  reviews: number;
  seed: number;
}

/** Largest sample: ids and draws are made for this many. */
export const maximumSample = 100_000_000;

const format: ImportFormat = { name: 'tables' };

/** Tables of the sample, and the column whose values start with the sample's prefix. */
const sampleTables: Record<string, string | undefined> = {
  category: undefined,
  carrier: undefined,
  customer: 'customer_id',
  buyer: 'buyer_id',
  product: 'product_id',
  product_images: 'product_id',
  review: 'review_id',
  review_images: 'review_id',
  product_reviews: 'review_id',
  orders: 'order_id',
  order_items: 'order_id',
};

/**
 * Generates reviews, products, customers and orders and imports them like files. The same seed and
 * number give the same rows everywhere; a sample that is there already is recognised and folded.
 * Errors: `SAMPLE_INVALID`, `SAMPLE_NEEDS_MANAGED_SCHEMA`, and those of importing.
 */
export async function importSample(options: SampleOptions): Promise<ImportResult> {
  const started = performance.now();
  const { config, context, reviews, seed, scratch } = options;
  if (!Number.isSafeInteger(reviews) || reviews < 1 || reviews > maximumSample) {
    throw invalid('SAMPLE_INVALID', `A sample has 1 to ${maximumSample} reviews, not ${reviews}.`, {
      hint: 'Try --sample 50000.',
    });
  }
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw invalid('SAMPLE_INVALID', `A seed is a whole number from 0 up, not ${seed}.`, {
      hint: 'Leave --seed out for the default.',
    });
  }
  if (!config.source.managed) {
    throw invalid(
      'SAMPLE_NEEDS_MANAGED_SCHEMA',
      `Schema "${config.source.schema}" is not managed by reviewops: the sample would not fit.`,
      { hint: 'Import a sample into a managed schema (source.managed: true).' },
    );
  }
  const catalog = await withClient(
    options.target,
    clientOptions(options, 'import catalog'),
    (client) => readCatalog(client, config.source.schema),
  );
  const directory = join(scratch, 'sample');
  await mkdir(directory);
  const prefix = `s${seed}n${reviews}-`;
  const engine = await openEngine({
    memoryLimit: config.pipeline.memoryLimit,
    threads: config.pipeline.threads,
    scratch,
    signal: context.signal,
    file: join(scratch, 'sample.duckdb'),
  });
  try {
    await prepare(engine, options, prefix);
    const present = await presentSample(engine, options, catalog, prefix);
    if (present !== undefined) {
      return { ...present, seconds: (performance.now() - started) / 1000 };
    }
    await write(engine, options, directory);
  } finally {
    await engine.close();
    await rm(join(scratch, 'sample.duckdb'), { force: true });
  }
  const plans: SourcePlan[] = [];
  for (const table of Object.keys(sampleTables)) {
    const file = join(directory, `${table}.csv`);
    const look = await lookAt({ path: file, file }, context.signal);
    plans.push({ ...planSource(look, format, catalog), temporary: true });
  }
  const result = await importPlanned(options, format, plans, catalog, started);
  return {
    ...result,
    format: 'sample',
    files: result.files.map((file) => ({ ...file, path: `sample ${file.table}` })),
  };
}

async function prepare(engine: Engine, { reviews, seed }: SampleOptions, prefix: string) {
  const sql = await readFile(fileURLToPath(new URL('./sample.sql', import.meta.url)), 'utf8');
  // One statement a call: each can be interrupted.
  await engine.run(`SET VARIABLE seed = ${seed}`);
  await engine.run(`SET VARIABLE reviews = ${reviews}`);
  await engine.run(`SET VARIABLE products = ${Math.max(1, Math.round(reviews / 20))}`);
  await engine.run(`SET VARIABLE customers = ${Math.max(1, Math.round(reviews / 2.5))}`);
  await engine.run(`SET VARIABLE prefix = ${literal(prefix)}`);
  await engine.run(sql);
}

async function write(
  engine: Engine,
  { context, reviews }: SampleOptions,
  directory: string,
): Promise<void> {
  const task = 'generate the sample';
  const started = performance.now();
  const tables = Object.keys(sampleTables);
  context.report({ type: 'started', task, total: tables.length, unit: 'files' });
  for (const [index, table] of tables.entries()) {
    const path = join(directory, `${table}.csv`);
    await engine.run(
      `COPY (SELECT * FROM ${quoteName(`sample_${table}`)}) TO ${literal(path)} (FORMAT csv, HEADER)`,
    );
    context.report({
      type: 'progress',
      task,
      done: index + 1,
      total: tables.length,
      unit: 'files',
    });
  }
  const seconds = (performance.now() - started) / 1000;
  context.report({ type: 'finished', task, seconds, summary: `${reviews} reviews` });
}

/** The result when every row of the sample is in the database already; undefined when not. */
async function presentSample(
  engine: Engine,
  options: SampleOptions,
  catalog: Catalog,
  prefix: string,
): Promise<Omit<ImportResult, 'seconds'> | undefined> {
  const files: ImportedFile[] = [];
  for (const [table, column] of Object.entries(sampleTables)) {
    const view = quoteName(`sample_${table}`);
    const records = await countRows(engine, view);
    const info = catalog.tables.get(table);
    if (column !== undefined && info !== undefined) {
      const rows =
        table === 'orders'
          ? await countRows(engine, `(SELECT DISTINCT order_id FROM ${view})`)
          : records;
      if ((await storedRows(options, catalog, info, column, prefix)) !== rows) return undefined;
    }
    files.push({
      path: `sample ${table}`,
      table,
      read: records,
      loaded: 0,
      rejected: 0,
      folded: records,
      blankLines: 0,
    });
  }
  const read = files.reduce((sum, file) => sum + file.read, 0);
  return {
    format: 'sample',
    read,
    loaded: 0,
    rejected: 0,
    folded: read,
    rejectsFile: null,
    tables: files.map(({ table }) => ({ table: table ?? '', rows: 0 })),
    files,
  };
}

/** Rows of a table whose column starts with the sample's prefix. */
async function storedRows(
  options: SampleOptions,
  catalog: Catalog,
  table: TableInfo,
  column: string,
  prefix: string,
): Promise<number> {
  return withClient(options.target, clientOptions(options, 'import sample'), async (client) => {
    const [row] = await client.query<{ rows: string }>(
      `SELECT count(*) AS rows FROM ${quoteTable(catalog.schema, table.name)} WHERE starts_with(${quoteIdentifier(column)}, $1)`,
      [prefix],
    );
    return Number(row?.rows ?? 0);
  });
}
