import type { Stats } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { withClient } from '../database/client.js';
import { openEngine } from '../engine/session.js';
import { failed, invalid, throwIfAborted } from '../system/errors.js';
import { type Catalog, readCatalog } from './catalog.js';
import {
  detectFormat,
  formatNamed,
  type ImportFormat,
  planSource,
  type SourcePlan,
} from './detect.js';
import { type FramedFile, frameFile } from './frame.js';
import { clientOptions, type ImportBase, type ImportResult } from './job.js';
import { loadFramed } from './load-framed.js';
import { lookAt, type SourceLook } from './look.js';
import { builtInMappings, type Mapping, readMapping } from './mapping.js';
import { findSources } from './paths.js';
import { RejectsFile } from './rejects.js';

export interface ImportOptions extends ImportBase {
  /** Files, directories of files, pipes, or `-` for `stdin`. */
  paths: readonly string[];
  stdin?: NodeJS.ReadableStream | undefined;
  /** Name of a format; detected when undefined. */
  format?: string | undefined;
  /** A mapping file of the operator's own; its format is used. */
  mapping?: string | undefined;
}

/**
 * Imports files in one transaction: all of it or nothing. Records that cannot be stored go to a
 * rejects file, repeated ones and those already in the database are folded.
 * Errors: those of reading (source.ts), detection (detect.ts), mappings and the database.
 */
export async function importFiles(options: ImportOptions): Promise<ImportResult> {
  const started = performance.now();
  const { context } = options;
  const sources = await findSources({
    paths: options.paths,
    stdin: options.stdin,
    scratch: options.scratch,
    context,
  });
  const looks: SourceLook[] = [];
  for (const source of sources) looks.push(await lookAt(source, context.signal));
  const catalog = await withClient(
    options.target,
    clientOptions(options, 'import catalog'),
    (client) => readCatalog(client, options.config.source.schema),
  );
  const format = await chooseFormat(options, looks, catalog);
  const plans = looks.map((look) => planSource(look, format, catalog));
  return importPlanned(options, format, plans, catalog, started);
}

/** Frames, stages and loads sources whose format is known. */
export async function importPlanned(
  options: ImportBase,
  format: ImportFormat,
  plans: readonly SourcePlan[],
  catalog: Catalog,
  started: number,
): Promise<ImportResult> {
  const { config, context, scratch } = options;
  const rejects = new RejectsFile(scratch);
  try {
    const framed = await frameSources(plans, rejects, options);
    const engine = await openEngine({
      memoryLimit: config.pipeline.memoryLimit,
      threads: config.pipeline.threads,
      scratch,
      signal: context.signal,
      file: join(scratch, 'import.duckdb'),
    });
    try {
      const result = await loadFramed({ options, format, plans, framed, catalog, rejects, engine });
      return { ...result, seconds: (performance.now() - started) / 1000 };
    } finally {
      await engine.close();
    }
  } finally {
    await rejects.close();
  }
}

async function chooseFormat(
  options: ImportOptions,
  looks: readonly SourceLook[],
  catalog: Catalog,
): Promise<ImportFormat> {
  const { source } = options.config;
  if (options.mapping !== undefined) {
    const mapping = await readMapping(options.mapping);
    if (!source.managed) throw onlyTables(source.schema);
    if (options.format !== undefined && options.format !== mapping.format) {
      throw invalid(
        'FORMAT_CONTRADICTED',
        `--format says "${options.format}", the mapping file describes "${mapping.format}".`,
        { hint: 'Give one of the two.' },
      );
    }
    return { name: mapping.format, mapping };
  }
  const mappings: Mapping[] = await builtInMappings();
  if (options.format !== undefined) {
    const format = formatNamed(options.format, mappings);
    if (format.name !== 'tables' && !source.managed) throw onlyTables(source.schema);
    return format;
  }
  const format = detectFormat(looks, mappings, catalog);
  if (format.name !== 'tables' && !source.managed) throw onlyTables(source.schema);
  return format;
}

const onlyTables = (schema: string) =>
  invalid(
    'FORMAT_NEEDS_MANAGED_SCHEMA',
    `Schema "${schema}" is not managed by reviewops (source.managed: false): only CSV files of its own tables can be imported.`,
    { hint: 'Use --format tables, or import into a managed schema with another configuration.' },
  );

async function frameSources(
  plans: readonly SourcePlan[],
  rejects: RejectsFile,
  { context, scratch }: ImportBase,
): Promise<FramedFile[]> {
  const framed: FramedFile[] = [];
  for (const [index, plan] of plans.entries()) {
    throwIfAborted(context.signal);
    const started = performance.now();
    const task = `read ${basename(plan.path)}`;
    const before = await stat(plan.file);
    const total = before.size;
    context.report({ type: 'started', task, total, unit: 'bytes' });
    framed.push(
      await frameFile({
        source: plan,
        container: plan.container,
        canonical: join(scratch, `source-${index}.csv`),
        rejects,
        signal: context.signal,
        onBytes: (done) => {
          context.report({ type: 'progress', task, done, total, unit: 'bytes' });
        },
      }),
    );
    assertUnchanged(plan.path, before, await stat(plan.file));
    // What came through a pipe was copied for this import.
    if (plan.temporary || plan.file !== plan.path) await rm(plan.file);
    context.report({ type: 'finished', task, seconds: (performance.now() - started) / 1000 });
  }
  return framed;
}

/** A file that something still writes to was perhaps read half-way through a record. */
function assertUnchanged(path: string, before: Stats, after: Stats): void {
  if (before.size === after.size && before.mtimeMs === after.mtimeMs) return;
  throw failed('IMPORT_FILE_CHANGED', `${path} changed while it was read.`, {
    hint: 'Wait until it is complete and import it again. Nothing was loaded.',
  });
}
