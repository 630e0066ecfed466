import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Engine } from '../engine/session.js';
import { errorMessage, isOperatorError, throwIfAborted } from '../system/errors.js';
import { mapParallel } from '../system/parallel.js';
import type { JobContext } from '../system/progress.js';
import { type BatchSummary, isDamage } from './batch-state.js';
import { type BatchDetails, showBatch } from './batches.js';
import type { Key, Lake } from './lake.js';
import { manifestKey } from './layout.js';
import type { Manifest, ManifestFile, ManifestTable } from './manifest.js';
import { commandFor } from './published.js';

export interface VerifyFinding {
  key: Key;
  problem: string;
  /** What to do about it. */
  hint: string;
}

export interface VerifyResult extends Omit<BatchSummary, 'problems'> {
  /** Files that were read and hashed. */
  files: number;
  seconds: number;
  findings: VerifyFinding[];
}

export interface VerifyContext extends JobContext {
  /** A directory for temporary copies; removed by whoever made it. */
  scratch: string;
}

/** Files fetched at once, so that a distant store is waited for once and not for each file. */
const parallelFiles = 8;

/** A file with what its manifest says of it. */
interface Claim {
  file: ManifestFile;
  table: ManifestTable;
  hint: string;
}

/**
 * Proves a batch: reads every file and compares its bytes (SHA-256), size, row count and columns
 * with the manifest, the parents' hashes with the present layers, and looks for files that no
 * manifest names. A layer that is missing is no finding; the state tells it.
 *
 * Errors: `BATCH_NOT_FOUND` (exit 2), `INTERRUPTED`, and those of the lake.
 */
export async function verifyBatch(
  lake: Lake,
  batchId: string,
  context: VerifyContext,
): Promise<VerifyResult> {
  const started = performance.now();
  const batch = await showBatch(lake, batchId, context);
  const claims = batch.manifests.flatMap(claimsOf);
  const findings = [...metadataFindings(batch), ...batch.manifests.flatMap(wrongTotals)];
  const missing = new Set(findings.map(({ key }) => key));
  const present = claims.filter(({ file }) => !missing.has(file.key));
  findings.push(...(await verifyFiles(lake, batchId, present, context)));
  const { problems, holder: _, manifests: __, unnamed: ___, ...summary } = batch;
  const damaged = problems.some(isDamage) || claims.some(({ file }) => named(findings, file.key));
  return {
    ...summary,
    state: damaged && summary.state !== 'running' ? 'corrupt' : summary.state,
    files: present.length,
    seconds: (performance.now() - started) / 1000,
    findings: findings.sort((a, b) => (a.key < b.key ? -1 : 1)),
  };
}

const named = (findings: readonly VerifyFinding[], key: Key): boolean =>
  findings.some((finding) => finding.key === key);

const claimsOf = (manifest: Manifest): Claim[] =>
  manifest.tables.flatMap((table) =>
    table.files.map((file) => ({ file, table, hint: runAgain(manifest) })),
  );

const runAgain = ({ layer, batchId }: Pick<Manifest, 'layer' | 'batchId'>): string =>
  `Run ${commandFor(layer, batchId)}.`;

/** What shows without reading a file. */
function metadataFindings(batch: BatchDetails): VerifyFinding[] {
  const { batchId, problems, manifests, unnamed, state } = batch;
  const findings = problems.flatMap(({ key, problem, hint, kind }) =>
    kind === 'missing-layer' ? [] : [{ key, problem, hint }],
  );
  // Whoever works on it writes files before the manifest that names them.
  if (state === 'running') return findings;
  const published = new Set(manifests.map(({ layer }) => layer as string));
  const unreadable = problems.filter(({ kind }) => kind === 'damaged-manifest');
  for (const key of unnamed) {
    const [layer = ''] = key.split('/');
    // What a damaged manifest names cannot be told.
    if (unreadable.some((problem) => problem.layer === layer)) continue;
    findings.push({
      key,
      problem: published.has(layer) ? 'no manifest names it' : `${layer} was never published`,
      hint: `It is a leftover of an interrupted run of batch ${batchId}; running the stage again removes it.`,
    });
  }
  return findings;
}

/** Tables whose totals are not those of their files. */
function wrongTotals(manifest: Manifest): VerifyFinding[] {
  return manifest.tables.flatMap(({ name, rows, bytes, files }) => {
    const actual = { rows: 0, bytes: 0 };
    for (const file of files) {
      actual.rows += file.rows;
      actual.bytes += file.bytes;
    }
    if (actual.rows === rows && actual.bytes === bytes) return [];
    return [
      {
        key: manifestKey(manifest.layer, manifest.batchId),
        problem: `table ${name} claims ${rows} rows in ${bytes} bytes, its files ${actual.rows} in ${actual.bytes}`,
        hint: runAgain(manifest),
      },
    ];
  });
}

async function verifyFiles(
  lake: Lake,
  batchId: string,
  claims: readonly Claim[],
  context: VerifyContext,
): Promise<VerifyFinding[]> {
  if (claims.length === 0) return [];
  const task = `verify ${batchId}`;
  const total = claims.reduce((sum, { file }) => sum + file.bytes, 0);
  const started = performance.now();
  context.report({ type: 'started', task, total, unit: 'bytes' });
  let done = 0;
  const advance = (bytes: number): void => {
    throwIfAborted(context.signal);
    done += bytes;
    context.report({ type: 'progress', task, done, total, unit: 'bytes' });
  };
  const footers = new Footers(context);
  footers.prepare();
  // The largest first: none of them begins when all others are done.
  const ordered = [...claims].sort((a, b) => b.file.bytes - a.file.bytes);
  let problems: (string | undefined)[];
  try {
    problems = await mapParallel(ordered, parallelFiles, (claim) =>
      verifyFile(lake, claim, { context, footers, advance }),
    );
  } finally {
    await footers.close();
  }
  const seconds = (performance.now() - started) / 1000;
  context.report({ type: 'finished', task, seconds, summary: `${claims.length} files` });
  return ordered.flatMap(({ file, hint }, index) => {
    const problem = problems[index];
    return problem === undefined ? [] : [{ key: file.key, problem, hint }];
  });
}

/** The first problem of a file; undefined when it is as the manifest says. */
async function verifyFile(
  lake: Lake,
  { file, table }: Claim,
  tools: { context: VerifyContext; footers: Footers; advance: (bytes: number) => void },
): Promise<string | undefined> {
  let copy: Awaited<ReturnType<Lake['fetch']>>;
  try {
    copy = await lake.fetch(file.key, tools.context.scratch);
  } catch (error) {
    if (isOperatorError(error) && error.code === 'OBJECT_NOT_FOUND') return 'it is missing';
    throw error;
  }
  try {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of createReadStream(copy.path, { highWaterMark: 1 << 20 })) {
      hash.update(chunk);
      bytes += chunk.length;
      tools.advance(chunk.length);
    }
    if (bytes !== file.bytes) return `it has ${bytes} bytes in place of ${file.bytes}`;
    if (hash.digest('hex') !== file.sha256) return 'its content changed: the hash differs';
    return file.key.endsWith('.parquet')
      ? await tools.footers.compare(copy.path, file, table)
      : undefined;
  } finally {
    await copy.dispose();
  }
}

/** Compares Parquet footers with manifests, in one engine session. */
class Footers {
  readonly #context: VerifyContext;
  #engine: Promise<Engine> | undefined;

  constructor(context: VerifyContext) {
    this.#context = context;
  }

  /** Loads the engine while the first files arrive; what fails is told by whoever needs it. */
  prepare(): void {
    this.#engine = this.#open();
    this.#engine.catch(() => undefined);
  }

  async compare(
    path: string,
    file: ManifestFile,
    table: ManifestTable,
  ): Promise<string | undefined> {
    const { describeParquet } = await import('../engine/parquet.js');
    this.#engine ??= this.#open();
    try {
      const found = await describeParquet(await this.#engine, path);
      if (found.rows !== file.rows) return `it has ${found.rows} rows in place of ${file.rows}`;
      const [actual, claimed] = [found.columns, table.columns].map((columns) =>
        columns.map(({ name, type }) => `${name} ${type}`).join(', '),
      );
      return actual === claimed ? undefined : `its columns are ${actual}, not ${claimed}`;
    } catch (error) {
      if (!isOperatorError(error) || !['FILE_CORRUPT', 'ENGINE_FAILED'].includes(error.code))
        throw error;
      // The engine's own first line; the rest quotes our SQL.
      const [why] = errorMessage(error.cause ?? error).split('\n');
      return `it is no readable Parquet file: ${why}`;
    }
  }

  async close(): Promise<void> {
    const engine = await this.#engine?.catch(() => undefined);
    await engine?.close();
  }

  async #open(): Promise<Engine> {
    const { openEngine } = await import('../engine/session.js');
    const { scratch, signal } = this.#context;
    return openEngine({ memoryLimit: '256MB', threads: 1, scratch, signal });
  }
}
