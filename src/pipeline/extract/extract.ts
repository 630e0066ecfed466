import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../../config/schema.js';
import { describeTables, listRelations } from '../../database/catalog.js';
import type { DatabaseClient } from '../../database/client.js';
import { openSnapshot, type Snapshot } from '../../database/snapshot.js';
import type { DatabaseTarget } from '../../database/target.js';
import { type Engine, openEngines } from '../../engine/session.js';
import { textMapping } from '../../engine/types.js';
import type { Manifest } from '../../lake/manifest.js';
import { type DraftTable, readLayer } from '../../lake/publish.js';
import { isOperatorError, refused, throwIfAborted } from '../../system/errors.js';
import { describeFileError } from '../../system/files.js';
import { parseSize } from '../../system/size.js';
import { publishFenced } from '../fence.js';
import type { StageContext, StageResult } from '../stage.js';
import { Converter } from './converter.js';
import { planTable, type TablePlan, widen } from './plan.js';
import { copyRound } from './round.js';
import { checkColumns, omitColumns, selectTables } from './selection.js';

export interface ExtractOptions {
  /** Extract these of the configured tables only; the batch then holds no others. */
  tables?: readonly string[];
}

/**
 * Source to bronze: all configured tables as one snapshot of the database shows them, with the
 * catalog's types. Publishes nothing unless every row of every table arrived.
 *
 * @throws ENDPOINT_POOLED, SCHEMA_NOT_FOUND, TABLE_NOT_FOUND, TABLE_NOT_SELECTED,
 * ENTITY_TABLE_NOT_SELECTED, COLUMN_NOT_FOUND, BATCH_HOLDS_MORE, EXTRACT_COUNT_MISMATCH,
 * DATABASE_UNREACHABLE, DISK_FULL and what database, engine and lake throw besides
 */
export async function extract(
  context: StageContext,
  batchId: string,
  options: ExtractOptions = {},
): Promise<StageResult> {
  const started = performance.now();
  if (options.tables !== undefined) await refuseToShrink(context, batchId, options.tables);
  const target = await context.database();
  const scratch = join(context.scratch, 'extract');
  await mkdir(scratch, { recursive: true }).catch((error: unknown) => {
    throw describeFileError(error, scratch);
  });
  const stop = new AbortController();
  // Whatever fails first ends the work of all connections, and of the engine.
  const signal = AbortSignal.any([context.signal, stop.signal]);
  try {
    const cut = await cutSnapshot({ ...context, signal }, target, {
      options,
      scratch,
      stop: (error) => stop.abort(error),
    });
    throwIfAborted(context.signal);
    const published = await publishFenced(context, {
      layer: 'bronze',
      batchId,
      tables: cut.tables,
      source: cut.source,
      parents: [],
      rejected: {},
      settings: {},
      tool: context.tool,
      now: context.now(),
      guard: { lost: context.signal },
    });
    const { tables } = published.manifest;
    const sum = (field: 'rows' | 'bytes') =>
      tables.reduce((total, table) => total + table[field], 0);
    return {
      stage: 'extract',
      seconds: (performance.now() - started) / 1000,
      rowsIn: sum('rows'),
      rowsOut: sum('rows'),
      rejected: 0,
      bytes: sum('bytes'),
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Replacing a batch by some of its tables would lose the others, of another moment at that. */
async function refuseToShrink(
  { lake }: StageContext,
  batchId: string,
  tables: readonly string[],
): Promise<void> {
  const present = await readLayer(lake, 'bronze', batchId).catch((error: unknown) => {
    // A damaged manifest holds nothing that could be lost; extracting is its repair.
    if (isOperatorError(error) && error.code === 'MANIFEST_CORRUPT') return undefined;
    throw error;
  });
  const lost = present?.manifest.tables.filter(({ name }) => !tables.includes(name)) ?? [];
  if (lost.length === 0) return;
  throw refused(
    'BATCH_HOLDS_MORE',
    `Batch ${batchId} also holds ${lost.map(({ name }) => name).join(', ')}; extracting ${tables.join(', ')} alone would drop them.`,
    { hint: 'Extract into a new batch (leave out --batch-id), or extract all tables.' },
  );
}

interface Cut {
  tables: DraftTable[];
  source: Manifest['source'];
}

interface CutOptions {
  options: ExtractOptions;
  scratch: string;
  stop: (error: unknown) => void;
}

/** Everything that needs the database: one snapshot, all of whose rows are in local files after. */
async function cutSnapshot(
  context: StageContext,
  target: DatabaseTarget,
  { options, scratch, stop }: CutOptions,
): Promise<Cut> {
  const { config, signal } = context;
  const { schema } = config.source;
  let names: string[] = [];
  // The engines open while the server answers.
  const converter = new Converter(openConverters(config.pipeline, scratch, signal), scratch);
  try {
    const snapshot = await openSnapshot(
      target,
      {
        settings: config.database,
        signal,
        readers: { purpose: 'extract', count: config.pipeline.parallelism },
      },
      async (client) => {
        const relations = await listRelations(client, schema);
        names = selectTables(config, relations, options.tables);
        return relations
          .filter(({ name, kind }) => names.includes(name) && kind !== 'foreign')
          .map(({ name, kind }) => ({ schema, name, lockable: kind !== 'materialized' }));
      },
    );
    try {
      const plans = await planTables(context, snapshot.client, names);
      context.log.info({ ...snapshot.source, tables: names }, 'snapshot taken');
      const tables = await copyTables({ context, snapshot, converter, scratch, stop }, plans);
      await snapshot.confirm();
      const { server, database, lsn, takenAt } = snapshot.source;
      return { tables, source: { server, database, schema, lsn, snapshotAt: takenAt } };
    } finally {
      await snapshot.close();
    }
  } finally {
    await converter.close();
  }
}

/**
 * Several sessions of one thread each convert more in a second than one of several threads, which
 * wait for one another at the end of each chunk.
 */
const openConverters = (
  { memoryLimit, parallelism, threads }: Config['pipeline'],
  scratch: string,
  signal: AbortSignal,
): Promise<Engine[]> =>
  openEngines({ memoryLimit, threads, scratch, signal }, Math.min(parallelism, threads));

async function planTables(
  context: StageContext,
  client: DatabaseClient,
  names: readonly string[],
): Promise<TablePlan[]> {
  const { schema } = context.config.source;
  const found = await describeTables(client, schema, names);
  const tables = omitColumns(context.config, found);
  checkColumns(context.config, tables);
  const plans: TablePlan[] = [];
  for (const table of tables) {
    const plan = await planTable(client, schema, table);
    for (const { name, typeName, mapping } of plan.columns) {
      if (typeName.startsWith('numeric') && mapping === textMapping) {
        warnKeptAsText(context, table.name, name, typeName);
      }
    }
    plans.push(plan);
  }
  return plans;
}

function warnKeptAsText(
  context: StageContext,
  table: string,
  column: string,
  typeName: string,
): void {
  context.log.warn({ table, column, type: typeName }, 'column kept as text');
  context.report({
    type: 'warning',
    message: `Column "${column}" of table "${table}" (${typeName}) holds values that no such type of Parquet can hold; it is kept as text.`,
  });
}

interface CopyWork {
  context: StageContext;
  snapshot: Snapshot;
  converter: Converter;
  scratch: string;
  stop: (error: unknown) => void;
}

/**
 * Copies all tables; those with a value that its column's type cannot hold (NaN in a decimal, the
 * year 294276) once more, with that column as text, from the same snapshot.
 */
async function copyTables(work: CopyWork, plans: readonly TablePlan[]): Promise<DraftTable[]> {
  const { context, snapshot, converter, scratch, stop } = work;
  const chunkBytes = parseSize(context.config.pipeline.chunkSize);
  const done = new Map<string, DraftTable>();
  let open = plans;
  for (let round = 1; open.length > 0; round += 1) {
    const directory = join(scratch, `round-${round}`);
    await mkdir(directory);
    const copied = await copyRound(
      { stage: context, snapshot, converter, directory, chunkBytes, stop },
      open,
    );
    for (const table of copied.tables) done.set(table.name, table);
    open = [...copied.unfit].map(([plan, columns]) => {
      const wider = widen(plan, columns);
      for (const { name, typeName, mapping } of wider.columns) {
        if (columns.includes(name) && mapping === textMapping) {
          warnKeptAsText(context, plan.table.name, name, typeName);
        }
      }
      return wider;
    });
  }
  await converter.removeChunks();
  return plans.flatMap(({ table }) => done.get(table.name) ?? []);
}
