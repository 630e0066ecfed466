import { invalid } from '../system/errors.js';
import { isLayer, type Key, type Layer } from './lake.js';

/** Everything that knows how keys look. Nothing else builds or takes apart a key. */

const batchIdPattern = /^\d{8}_\d{6}(_[a-z0-9]{1,8})?$/;

export const isBatchId = (text: string): boolean => batchIdPattern.test(text);

/** The id itself, or `BATCH_ID_INVALID`. */
export function checkBatchId(text: string): string {
  if (isBatchId(text)) return text;
  throw invalid('BATCH_ID_INVALID', `"${text}" is not a batch id.`, {
    hint: 'A batch id looks like 20260131_235959; `reviewops batch list` shows those that exist.',
  });
}

/** `YYYYMMDD_HHMMSS` of the moment, in UTC, with a suffix when given. */
export function formatBatchId(now: Date, suffix = ''): string {
  const digits = now.toISOString().replace(/[-:]/g, '');
  return `${digits.slice(0, 8)}_${digits.slice(9, 15)}${suffix === '' ? '' : `_${suffix}`}`;
}

export const batchPrefix = (layer: Layer, batchId: string): Key => `${layer}/batch=${batchId}/`;

export const manifestKey = (layer: Layer, batchId: string): Key =>
  `${batchPrefix(layer, batchId)}manifest.json`;

/**
 * A table's name as part of a key. PostgreSQL allows any character in names: those that would end
 * the part, hide it or read as a generation are written as `%XX`.
 */
const tableSegment = (table: string): string =>
  table
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it replaces.
    .replace(/[%/\\\u0000-\u001f\u007f]|^\./g, percent)
    .replace(/-(?=g\d+$)/, percent);

const percent = (character: string): string =>
  `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;

/**
 * Key of one Parquet file of a table. `generation` grows with each publication of the layer of
 * this batch: a rerun writes beside the files it replaces, so that readers of the old manifest are
 * not disturbed and a crash leaves one or the other.
 */
export function tableFileKey(
  layer: Layer,
  batchId: string,
  table: string,
  file: { part: number; parts: number; generation: number },
): Key {
  const suffix = file.generation === 1 ? '' : `-g${file.generation}`;
  const segment = tableSegment(table);
  const name =
    file.parts === 1
      ? `${segment}${suffix}.parquet`
      : `${segment}/part-${String(file.part).padStart(5, '0')}${suffix}.parquet`;
  return batchPrefix(layer, batchId) + name;
}

/** The generation in the key of a table's file; undefined for any other key. */
export function generationOf(key: Key): number | undefined {
  const [, digits = '1'] = /(?:-g(\d+))?\.parquet$/.exec(key) ?? [undefined, undefined];
  return key.endsWith('.parquet') ? Number(digits) : undefined;
}

/** Layer and batch of a key inside a batch; undefined for any other key. */
export function parseBatchKey(
  key: Key,
): { layer: Layer; batchId: string; rest: string } | undefined {
  const [layer = '', batch = '', ...rest] = key.split('/');
  const batchId = batch.startsWith('batch=') ? batch.slice('batch='.length) : '';
  return isLayer(layer) && isBatchId(batchId) && rest.length > 0
    ? { layer, batchId, rest: rest.join('/') }
    : undefined;
}

export const leasesPrefix: Key = 'leases/';
export const leaseKey = (name: string): Key => `${leasesPrefix}${name}.json`;
export const batchLeaseName = (batchId: string): string => `batch=${batchId}`;

const holdsPrefix: Key = 'holds/';

/** Batches that nobody may delete, such as under a legal hold: one object each. */
export const batchHoldKey = (batchId: string): Key => `${holdsPrefix}batch=${batchId}.json`;

export const logsPrefix: Key = 'logs/';

/** What keys that belong to no layer begin with. */
export const systemTops: readonly Key[] = [logsPrefix, leasesPrefix, holdsPrefix];

export const runLogKey = (runId: string): Key => `${logsPrefix}${runId}.jsonl`;
export const runMetricsKey: Key = `${logsPrefix}last_run_metrics.json`;

/** Where a check writes to see whether it can: in a layer, or among what belongs to none. */
export const probePrefix = (place: Layer | 'logs'): Key => `${place}/health-probe/`;
export const probeKey = (place: Layer | 'logs', name: string): Key =>
  `${probePrefix(place)}${name}`;
export const usageHistoryKey: Key = `${logsPrefix}lake_usage.json`;
export const uploadsKey = (layer: Layer): Key => `${logsPrefix}uploads_${layer}.json`;

/** Key of a file that an operator puts into a layer; `path` is relative, with slashes. */
export const uploadKey = (layer: Layer, path: string): Key => `${layer}/${path}`;
