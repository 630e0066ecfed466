import { createWriteStream } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { type DatabaseClient, withClient } from '../database/client.js';
import { quoteTable } from '../database/identifiers.js';
import { type Engine, fileLiteral, literal } from '../engine/session.js';
import type { Catalog } from './catalog.js';
import type { ImportFormat, SourcePlan } from './detect.js';
import type { FramedFile } from './frame.js';
import { clientOptions, type ImportBase, type ImportedFile, type ImportResult } from './job.js';
import { exportTables, type LoadedTable, loadTables } from './load.js';
import { sourceRecords } from './reader.js';
import type { RejectsFile } from './rejects.js';
import { stageMapped } from './stage-mapped.js';
import { stageTables } from './stage-tables.js';
import { countRows, createRejectsTable, rejectsTable, type StagedImport } from './staging.js';

interface FramedImport {
  options: ImportBase;
  format: ImportFormat;
  plans: readonly SourcePlan[];
  framed: readonly FramedFile[];
  catalog: Catalog;
  rejects: RejectsFile;
  engine: Engine;
}

/** Stages framed sources in the engine and loads them in one transaction. */
export async function loadFramed(work: FramedImport): Promise<Omit<ImportResult, 'seconds'>> {
  const { options, format, catalog, engine, rejects, framed } = work;
  await engine.run(await macros());
  await createRejectsTable(engine);
  const staged = await stage(work);
  const exported = await exportTables(engine, staged.tables, options.scratch);
  const result = await withClient(
    options.target,
    clientOptions(options, 'import'),
    async (client) => {
      let published: string | null = null;
      try {
        return await client.transaction(async () => {
          const loaded = await loadTables({
            client,
            catalog,
            tables: exported,
            files: framed.length,
            mapped: 'mapping' in format,
            suspendForeignKeys: options.config.source.managed,
            context: options.context,
          });
          await collectRejects(work, client);
          const files = balance(work, staged, loaded);
          // Published before the commit: a loaded database never lacks its rejects file.
          published = await rejects.publish(options.rejectsDirectory, options.context.now());
          return summarise(format.name, files, loaded, published);
        });
      } catch (error) {
        if (published !== null) await rm(published, { force: true });
        throw error;
      }
    },
  );
  await analyse(work, result);
  return result;
}

const macros = (): Promise<string> =>
  readFile(fileURLToPath(new URL('./macros.sql', import.meta.url)), 'utf8');

async function stage({
  format,
  engine,
  catalog,
  framed,
  plans,
}: FramedImport): Promise<StagedImport> {
  if ('mapping' in format) return stageMapped(engine, format.mapping, catalog, framed);
  return stageTables(
    engine,
    plans.map((plan, index) => {
      const file = framed[index];
      if (file === undefined || plan.table === undefined)
        throw new Error('import: a plan has no table');
      return { file, match: plan.table };
    }),
  );
}

/** Writes the rejects of engine and server, with their records, to the rejects file. */
async function collectRejects(work: FramedImport, client: DatabaseClient): Promise<void> {
  const { engine, framed, options, rejects } = work;
  const { to } = await import('pg-copy-streams');
  const refused = join(options.scratch, 'refused.csv');
  await client.use((connection) =>
    pipeline(
      connection.query(
        to('COPY (SELECT file, line, rule, reason FROM import_rejected) TO STDOUT (FORMAT csv)'),
      ),
      createWriteStream(refused, { mode: 0o600 }),
      { signal: options.context.signal },
    ),
  );
  await engine.run(
    `INSERT INTO ${rejectsTable} SELECT * FROM read_csv(${fileLiteral(refused)}, auto_detect = false, header = false, delim = ',', quote = '"', escape = '"', parallel = false, columns = {'file': 'INTEGER', 'line': 'BIGINT', 'rule': 'VARCHAR', 'reason': 'VARCHAR'})`,
  );
  for (const [index, file] of framed.entries()) {
    const found = `${rejectsTable} WHERE file = ${index}`;
    const rows = await countRows(engine, found);
    if (rows === 0) continue;
    const path = join(options.scratch, `rejects-${index}.jsonl`);
    await engine.run(
      `COPY (SELECT ${literal(file.path)} AS file, x.line, x.rule, x.reason, s.record FROM (SELECT * FROM ${found}) AS x JOIN ${sourceRecords(file)} AS s USING (line) ORDER BY x.line) TO ${literal(path)} (FORMAT json)`,
    );
    await rejects.append(path, rows);
    await rm(path);
  }
}

/** Adds up what became of each source's records; a sum that does not come out is a bug. */
function balance(
  { framed, plans }: FramedImport,
  staged: StagedImport,
  loaded: readonly LoadedTable[],
): ImportedFile[] {
  const counting = staged.tables.filter((table) => table.counts).map((table) => table.table.name);
  const of = (index: number, pick: (table: LoadedTable) => readonly number[]): number =>
    loaded
      .filter((table) => counting.includes(table.table.name))
      .reduce((sum, table) => sum + (pick(table)[index] ?? 0), 0);
  return framed.map((file, index) => {
    const result: ImportedFile = {
      path: file.path,
      table: plans[index]?.table?.table.name ?? null,
      read: file.records + file.malformed,
      loaded: of(index, (table) => table.loaded),
      rejected:
        file.malformed + (staged.rejected[index] ?? 0) + of(index, (table) => table.rejected),
      folded: (staged.folded[index] ?? 0) + of(index, (table) => table.folded),
      blankLines: file.blankLines,
    };
    if (result.read !== result.loaded + result.rejected + result.folded) {
      throw new Error(`import: the counts do not add up: ${JSON.stringify(result)}`);
    }
    return result;
  });
}

function summarise(
  format: string,
  files: ImportedFile[],
  loaded: readonly LoadedTable[],
  rejectsFile: string | null,
): Omit<ImportResult, 'seconds'> {
  const sum = (pick: (file: ImportedFile) => number): number =>
    files.reduce((total, file) => total + pick(file), 0);
  return {
    format,
    read: sum((file) => file.read),
    loaded: sum((file) => file.loaded),
    rejected: sum((file) => file.rejected),
    folded: sum((file) => file.folded),
    rejectsFile,
    tables: loaded.map(({ table, rows }) => ({ table: table.name, rows })),
    files,
  };
}

/** Fresh statistics for the tables that grew; the pipeline plans its queries by them. */
async function analyse(
  { options, catalog }: FramedImport,
  result: Omit<ImportResult, 'seconds'>,
): Promise<void> {
  const grown = result.tables.filter(({ rows }) => rows > 0);
  if (grown.length === 0) return;
  await withClient(options.target, clientOptions(options, 'import analyze'), async (client) => {
    for (const { table } of grown)
      await client.execute(`ANALYZE ${quoteTable(catalog.schema, table)}`);
  });
}
