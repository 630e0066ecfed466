import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.js';
import {
  describeQuery,
  parquetSource,
  writeParquet,
  writeParquetParts,
} from '../engine/parquet.js';
import { type Engine, type EngineOptions, openEngine } from '../engine/session.js';
import { manifestKey } from '../lake/layout.js';
import type { Manifest, ManifestTable } from '../lake/manifest.js';
import { type DraftTable, requireLayer } from '../lake/publish.js';
import { publishFenced } from './fence.js';
import { areLinksUnique, declarePieceView, declareSourceViews } from './harmonise.js';
import { fetchCheckedFiles, filesInPieces, type LayerFiles, rowsInMemory } from './layer-files.js';
import { pseudonymKeyId } from './pseudonym.js';
import { declareMacros, joinAsGuessed, joinAsWritten, runSqlFile } from './sql.js';
import type { StageContext, StageResult } from './stage.js';

/**
 * Decoded size of one file of a large table: small enough that a load can prepare the next file
 * while it sends one, large enough that a table of 10 million rows has some fifty files.
 */
const layerFileSize = '64MB';

/** A value as the source wrote it, if it could not be read. */
const original = (name: string): string =>
  `'${name}': coalesce(to_json(unread_${name}), to_json(${name}))`;

/** What a rejected row keeps of its source: all of it, with the pseudonym for the customer. */
const originalData = `row_json({
  'review_id': review_id, 'buyer_id': pseudonym(customer_id), 'title': title, 'description': body,
  ${['rating', 'verified_purchase', 'helpful_votes', 'created_at'].map(original).join(', ')}})`;

/**
 * Bronze to silver: applies the quality rules, cleans, joins, and replaces customer ids by
 * pseudonyms. Publishes the tables `review` and `rejected`. Works on at most `pieceRows` reviews at
 * a time, unless a single file holds more.
 *
 * @throws BATCH_NOT_FOUND, LAYER_NOT_FOUND, MANIFEST_CORRUPT, TABLE_NOT_IN_BATCH,
 * COLUMN_NOT_IN_BATCH, FILE_CORRUPT and what the engine and the lake throw
 */
export async function transform(
  context: StageContext,
  batchId: string,
  pieceRows = rowsInMemory(context.config),
): Promise<StageResult> {
  const started = performance.now();
  const bronze = await requireLayer(context.lake, 'bronze', batchId);
  const scratch = join(context.scratch, 'transform');
  await mkdir(scratch, { recursive: true });
  const tables = Object.values(context.config.source.entities).map(({ table }) => table);
  const files = await fetchCheckedFiles(context, bronze.manifest, scratch, tables);
  const rows = bronze.manifest.tables.find(
    ({ name }) => name === context.config.source.entities.review.table,
  )?.rows;
  const inPieces = rows !== undefined && rows > pieceRows;
  const engine = await openStageEngine(context, scratch, { inPieces });
  try {
    await declareMacros(engine, context.pseudonymKey);
    const { absent, repeated } = await declareSourceViews(
      engine,
      bronze.manifest,
      context.config.source.entities,
      files.of,
    );
    if (absent.length > 0) {
      context.log.warn({ batchId, absent }, 'tables absent from the batch count as empty');
      context.report({
        type: 'warning',
        message: `Batch ${batchId} holds no table for ${absent.join(', ')}; they count as empty.`,
      });
    }
    for (const { table, rows } of repeated) {
      context.log.warn({ batchId, table, rows }, 'ids come more than once');
      context.report({
        type: 'warning',
        message: `Table "${table}" has ${rows} rows with an id that another row has; of each id, one row counts: the first in the order of its values.`,
      });
    }
    const rowsIn = reviewTable(bronze.manifest, context.config).rows;
    context.report({ type: 'started', task: 'transform', total: rowsIn, unit: 'rows' });
    await runSqlFile(engine, 'transform.sql');
    const { review, rejected } = await writePieces(
      { context, engine, scratch, pieceRows },
      bronze.manifest,
      files,
    );
    const byReason = await rejectedByReason(engine, rejected);
    const published = await publishFenced(context, {
      layer: 'silver',
      batchId,
      tables: [review, rejected],
      source: bronze.manifest.source,
      parents: [{ key: manifestKey('bronze', batchId), sha256: bronze.sha256 }],
      rejected: byReason,
      settings: { pseudonymKeyId: pseudonymKeyId(context.pseudonymKey) },
      tool: context.tool,
      now: context.now(),
      guard: { lost: context.signal },
    });
    return {
      stage: 'transform',
      seconds: (performance.now() - started) / 1000,
      rowsIn,
      rowsOut: rowsOf(published.manifest, 'review'),
      rejected: rowsOf(published.manifest, 'rejected'),
      bytes: published.manifest.tables.reduce((total, table) => total + table.bytes, 0),
    };
  } finally {
    await engine.close();
    await files.dispose();
    await rm(scratch, { recursive: true, force: true });
  }
}

interface TransformWork {
  context: StageContext;
  engine: Engine;
  scratch: string;
  pieceRows: number;
}

/** The tables of silver, piece by piece of the reviews: memory grows with a piece, not with the batch. */
async function writePieces(
  { context, engine, scratch, pieceRows }: TransformWork,
  bronze: Manifest,
  files: LayerFiles,
): Promise<{ review: DraftTable; rejected: DraftTable }> {
  const { entities } = context.config.source;
  const review = new TableWriter(
    engine,
    {
      name: 'review',
      select: 'SELECT * FROM silver_review',
      rangeColumns: ['review_id', 'product_id'],
    },
    scratch,
  );
  const rejected = new TableWriter(
    engine,
    { name: 'rejected', select: 'SELECT * FROM silver_rejected' },
    scratch,
  );
  const settings = {
    rejected_at: context.now().toISOString(),
    original_data: { sql: originalData },
    distinct_links: { sql: areLinksUnique(bronze, entities) ? '' : 'DISTINCT' },
  };
  const table = reviewTable(bronze, context.config);
  for (const piece of filesInPieces(table, files, pieceRows)) {
    await declarePieceView(engine, bronze, entities, piece);
    await runSqlFile(engine, 'transform-piece.sql', settings);
    await joinAsWritten(engine);
    await review.write();
    await joinAsGuessed(engine);
    await rejected.write();
  }
  return { review: await review.finish(), rejected: await rejected.finish() };
}

/** A session with the limits of the configuration; what exceeds them goes to scratch files. */
export const openStageEngine = (
  context: StageContext,
  scratch: string,
  options: Pick<EngineOptions, 'inPieces'> = {},
): Promise<Engine> =>
  openEngine({
    ...options,
    memoryLimit: context.config.pipeline.memoryLimit,
    threads: context.config.pipeline.threads,
    scratch,
    signal: context.signal,
  });

/** Writes what a query gives, now and again later, as the files of one table, ready to publish. */
export class TableWriter {
  readonly #engine: Engine;
  readonly #name: string;
  readonly #select: string;
  readonly #directory: string;
  readonly #rangeColumns: readonly string[];
  readonly #files: DraftTable['files'] = [];
  #columns: DraftTable['columns'] | undefined;
  #times = 0;

  /** The files tell between which values of `rangeColumns` they are. */
  constructor(
    engine: Engine,
    table: { name: string; select: string; rangeColumns?: readonly string[] },
    scratch: string,
  ) {
    this.#engine = engine;
    this.#name = table.name;
    this.#select = table.select;
    this.#rangeColumns = table.rangeColumns ?? [];
    this.#directory = join(scratch, 'out', table.name);
  }

  /** Adds the rows that the query has now. */
  async write(): Promise<void> {
    const directory = join(this.#directory, String(this.#times));
    this.#times += 1;
    const written = await writeParquetParts(this.#engine, this.#select, directory, {
      fileSize: layerFileSize,
      rangeColumns: await this.#ranged(),
    });
    this.#files.push(...written.map(({ path, rows, ranges }) => ({ path, rows, ranges })));
  }

  /** The table with all that was written, in one empty file if that is nothing. */
  async finish(): Promise<DraftTable> {
    if (this.#files.length === 0) {
      const path = join(this.#directory, 'empty.parquet');
      const select = `SELECT * FROM (${this.#select}) WHERE false`;
      const { rows, ranges } = await writeParquet(this.#engine, select, path, await this.#ranged());
      this.#files.push({ path, rows, ranges });
    }
    return { name: this.#name, columns: this.#columns ?? [], files: this.#files };
  }

  async #ranged(): Promise<DraftTable['columns']> {
    this.#columns ??= await describeQuery(this.#engine, this.#select);
    return this.#columns.filter(({ name }) => this.#rangeColumns.includes(name));
  }
}

const rowsOf = ({ tables }: Manifest, table: string): number =>
  tables.find(({ name }) => name === table)?.rows ?? 0;

/** `declareSourceViews` has made sure that the batch holds it. */
function reviewTable({ tables }: Manifest, config: Config): ManifestTable {
  const table = tables.find(({ name }) => name === config.source.entities.review.table);
  if (table === undefined) throw new Error('The batch holds no reviews.');
  return table;
}

async function rejectedByReason(
  engine: Engine,
  rejected: DraftTable,
): Promise<Record<string, number>> {
  const counts = await engine.rows<{ reason: string; rows: number }>(
    `SELECT reason, count(*) AS rows FROM ${parquetSource(rejected.files.map(({ path }) => path))} GROUP BY reason ORDER BY reason`,
  );
  return Object.fromEntries(counts.map(({ reason, rows }) => [reason, rows]));
}
