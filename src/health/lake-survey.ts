import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.js';
import { type BatchDetails, showBatch } from '../lake/batches.js';
import { type Key, type Lake, type LakeObject, type Layer, layers } from '../lake/lake.js';
import { leasesPrefix, logsPrefix, parseBatchKey, probePrefix } from '../lake/layout.js';
import { errorCode, unreachable } from '../system/errors.js';
import { describeFileError } from '../system/files.js';

/** A probe from before this belongs to nobody any more. */
export const probesBelongUntil = (now: Date): Date => new Date(now.getTime() - 3_600_000);

/** What one pass over the lake found; the checks share it. */
export interface LakeSurvey {
  lake: Lake;
  /** Seconds that the pass took. */
  seconds: number;
  /** Of all objects. */
  bytes: number;
  objects: number;
  /** Ids of all batches of which there is anything, newest first. */
  batchIds: string[];
  logs: LakeObject[];
  leases: Key[];
  /** Probes of checks that were killed before they could delete them. */
  abandonedProbes: Key[];
  /** The newest batches that nobody works on, newest first, with their manifests read. */
  recent(): Promise<BatchDetails[]>;
}

/** Directories of a local lake; none of one that is elsewhere. */
export function lakeDirectories(config: Config, home: string): string[] {
  const paths = layers
    .map((layer) => config.lake.layers[layer])
    .filter(({ kind }) => (kind ?? config.lake.kind) === 'local')
    .map(({ path }) => path ?? config.lake.path ?? join(home, 'data'));
  return [...new Set(paths)];
}

async function requireDirectory(path: string): Promise<void> {
  const stats = await stat(path).catch((error: unknown) => {
    // Made by the first write.
    if (errorCode(error) === 'ENOENT') return undefined;
    throw describeFileError(error, path);
  });
  if (stats === undefined || stats.isDirectory()) return;
  throw unreachable('LAKE_UNREACHABLE', `The lake ${path} is no directory.`, {
    hint: 'Move what lies there, mount the disk, or correct lake.path.',
  });
}

/** Lists the lake once. Errors are those of the lake. */
export async function surveyLake(
  lake: Lake,
  options: {
    now: () => Date;
    recentBatches: number;
    /** Of a local lake: to list what is no directory finds nothing, as in an empty lake. */
    directories: readonly string[];
    signal: AbortSignal;
  },
): Promise<LakeSurvey> {
  const started = performance.now();
  for (const path of options.directories) await requireDirectory(path);
  const survey = {
    bytes: 0,
    objects: 0,
    logs: [] as LakeObject[],
    leases: [] as Key[],
    abandonedProbes: [] as Key[],
  };
  const old = probesBelongUntil(options.now());
  const notice = (place: Layer | 'logs', { key, modifiedAt }: LakeObject) => {
    if (key.startsWith(probePrefix(place)) && modifiedAt < old) survey.abandonedProbes.push(key);
  };
  const ids = new Set<string>();
  const list = async (prefix: Key, visit: (object: LakeObject) => void) => {
    for await (const object of lake.list(prefix)) {
      options.signal.throwIfAborted();
      survey.bytes += object.bytes;
      survey.objects += 1;
      visit(object);
    }
  };
  await Promise.all([
    ...layers.map((layer) =>
      list(`${layer}/`, (object) => {
        const batch = parseBatchKey(object.key);
        if (batch !== undefined) ids.add(batch.batchId);
        notice(layer, object);
      }),
    ),
    list(logsPrefix, (object) => {
      survey.logs.push(object);
      notice('logs', object);
    }),
    list(leasesPrefix, ({ key }) => survey.leases.push(key)),
  ]);
  const batchIds = [...ids].sort().reverse();
  let recent: Promise<BatchDetails[]> | undefined;
  return {
    ...survey,
    lake,
    seconds: (performance.now() - started) / 1000,
    batchIds,
    recent: () => {
      recent ??= newest(lake, batchIds, options);
      return recent;
    },
  };
}

/** Those that run are passed over: they are not finished, and their turn comes. */
async function newest(
  lake: Lake,
  batchIds: readonly string[],
  { now, recentBatches }: { now: () => Date; recentBatches: number },
): Promise<BatchDetails[]> {
  const looked = await Promise.all(
    batchIds.slice(0, recentBatches).map((id) => showBatch(lake, id, { now })),
  );
  return looked.filter(({ state }) => state !== 'running');
}
