import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.js';
import type { DatabaseClient } from '../database/client.js';
import { copyToFile } from '../database/copy.js';
import { quoteIdentifier, quoteTable } from '../database/identifiers.js';
import { parquetSource } from '../engine/parquet.js';
import { type Engine, fileLiteral } from '../engine/session.js';
import type { BatchDetails } from '../lake/batches.js';
import type { Lake } from '../lake/lake.js';
import { fetchLayerFiles } from '../pipeline/layer-files.js';
import { tableOf } from './gold.js';

/** The serving table against gold and against the source, in rows. */
export interface ServedCounts {
  goldRows: number;
  /** Of this batch in the serving table. */
  servedRows: number;
  /** Rows of gold whose review the source still has, and which are not served. */
  missing: number;
  /** Served rows that gold does not hold. */
  extra: number;
  /** Served rows whose review the source no longer has: erased or deleted since. */
  orphans: number;
  /** Served rows of other batches. */
  ofOtherBatches: number;
}

/**
 * Compares row by row, by the ids alone. Rows of reviews that the source no longer has are not
 * missing: a load leaves them out on purpose.
 */
export async function compareServed(options: {
  client: DatabaseClient;
  engine: Engine;
  lake: Lake;
  config: Config;
  batch: BatchDetails;
  scratch: string;
}): Promise<ServedCounts> {
  const { client, engine, lake, config, batch, scratch } = options;
  const { source, serving } = config;
  const served = quoteTable(serving.schema, serving.table);
  const review = source.entities.review;
  const facts = tableOf(batch, 'gold', 'fact_reviews');
  const manifest = batch.manifests.find(({ layer }) => layer === 'gold');
  await readIds(
    options,
    'served',
    `SELECT review_id, product_id FROM ${served} WHERE batch_id = ${quoteLiteral(batch.batchId)}`,
  );
  await readIds(
    options,
    'source_review',
    `SELECT ${quoteIdentifier(review.review_id)}, NULL::text FROM ${quoteTable(source.schema, review.table)}
     WHERE ${quoteIdentifier(review.review_id)} IS NOT NULL`,
  );
  const [others] = await client.query<{ n: string }>(
    `SELECT count(*) AS n FROM ${served} WHERE batch_id <> $1`,
    [batch.batchId],
  );
  const files =
    manifest === undefined || facts === undefined
      ? undefined
      : await fetchLayerFiles(lake, manifest, scratch, ['fact_reviews']);
  try {
    const gold =
      files === undefined || facts === undefined
        ? "(SELECT '' AS review_id, '' AS product_id WHERE false)"
        : `(SELECT review_id, product_id FROM ${parquetSource(files.of(facts))})`;
    const inSource = 'review_id IN (SELECT review_id FROM source_review)';
    const [row] = await engine.rows<Omit<ServedCounts, 'goldRows' | 'ofOtherBatches'>>(
      `SELECT (SELECT count(*) FROM served) AS "servedRows",
         (SELECT count(*) FROM ${gold} AS gold
          WHERE ${inSource} AND NOT EXISTS (SELECT 1 FROM served
            WHERE served.review_id = gold.review_id AND served.product_id = gold.product_id)) AS missing,
         (SELECT count(*) FROM served WHERE NOT EXISTS (SELECT 1 FROM ${gold} AS gold
            WHERE served.review_id = gold.review_id AND served.product_id = gold.product_id)) AS extra,
         (SELECT count(*) FROM served WHERE NOT (${inSource})) AS orphans`,
    );
    return {
      goldRows: facts?.rows ?? 0,
      ofOtherBatches: Number(others?.n ?? 0),
      ...(row ?? { servedRows: 0, missing: 0, extra: 0, orphans: 0 }),
    };
  } finally {
    await files?.dispose();
  }
}

/** Leaves a table of two ids in the engine, by way of a file: nothing is held in memory here. */
async function readIds(
  { client, engine, scratch }: { client: DatabaseClient; engine: Engine; scratch: string },
  name: string,
  query: string,
): Promise<void> {
  const path = join(scratch, `${name}.csv`);
  await copyToFile(client, `COPY (${query}) TO STDOUT (FORMAT csv)`, path);
  await engine.run(
    `CREATE OR REPLACE TABLE ${name} AS SELECT * FROM read_csv(${fileLiteral(path)}, header = false,
       auto_detect = false, delim = ',', quote = '"', escape = '"', new_line = '\\n', nullstr = '',
       allow_quoted_nulls = false, columns = {'review_id': 'VARCHAR', 'product_id': 'VARCHAR'})`,
  );
  await rm(path);
}

const quoteLiteral = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** What is wrong with what is served, in words; undefined when it agrees with gold and source. */
export function servedProblem(counts: ServedCounts): string | undefined {
  const problems = [
    counts.missing > 0 ? `${counts.missing} rows of gold are not served` : '',
    counts.extra > 0 ? `${counts.extra} served rows are not in gold` : '',
    counts.orphans > 0
      ? `${counts.orphans} served rows belong to reviews that the source no longer has`
      : '',
    counts.ofOtherBatches > 0 ? `${counts.ofOtherBatches} served rows are of other batches` : '',
  ].filter((problem) => problem !== '');
  return problems.length === 0 ? undefined : problems.join('; ');
}

export interface ViewState {
  name: string;
  exists: boolean;
  populated: boolean;
  /** Rows by which it differs from its own query, both ways; null where that cannot be told. */
  differences: number | null;
}

/** Compares each materialised view of the configuration with what its query would give now. */
export async function viewStates(
  client: DatabaseClient,
  serving: Config['serving'],
): Promise<ViewState[]> {
  const states: ViewState[] = [];
  for (const name of serving.refreshViews) {
    const [view] = await client.query<{ populated: boolean; definition: string }>(
      `SELECT c.relispopulated AS populated, pg_get_viewdef(c.oid) AS definition
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'm'`,
      [serving.schema, name],
    );
    if (view === undefined) {
      states.push({ name, exists: false, populated: false, differences: null });
    } else if (!view.populated) {
      states.push({ name, exists: true, populated: false, differences: null });
    } else {
      const stored = quoteTable(serving.schema, name);
      const query = view.definition.replace(/;\s*$/, '');
      const [row] = await client.query<{ n: string }>(
        `SELECT count(*) AS n FROM (
           (SELECT * FROM ${stored} EXCEPT ALL SELECT * FROM (${query}) AS fresh)
           UNION ALL
           (SELECT * FROM (${query}) AS fresh EXCEPT ALL SELECT * FROM ${stored})) AS difference`,
      );
      states.push({ name, exists: true, populated: true, differences: Number(row?.n ?? 0) });
    }
  }
  return states;
}

export const isStale = ({ exists, populated, differences }: ViewState): boolean =>
  exists && (!populated || (differences ?? 0) > 0);

/**
 * Refreshes a materialised view; readers go on reading the old rows where a unique index and old
 * rows are there, and wait otherwise.
 */
export async function refreshView(
  client: DatabaseClient,
  schema: string,
  name: string,
): Promise<'concurrently' | 'blocking'> {
  const [view] = await client.query<{ concurrently: boolean }>(
    `SELECT c.relispopulated AND EXISTS (
       SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid
         AND i.indpred IS NULL AND i.indexprs IS NULL) AS concurrently
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'm'`,
    [schema, name],
  );
  const concurrently = view?.concurrently === true;
  await client.execute(
    `REFRESH MATERIALIZED VIEW ${concurrently ? 'CONCURRENTLY ' : ''}${quoteTable(schema, name)}`,
  );
  return concurrently ? 'concurrently' : 'blocking';
}
