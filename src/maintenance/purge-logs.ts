import { createHash, type Hash } from 'node:crypto';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Key, Lake, LakeObject } from '../lake/lake.js';
import { logsPrefix, runMetricsKey } from '../lake/layout.js';
import { logWriter } from '../pipeline/log.js';
import { errorCode } from '../system/errors.js';
import { syncDirectory } from '../system/files.js';
import { ownerState } from '../system/owner.js';
import { Remover } from './remover.js';

/** Logs that were last written in one month, in the lake or left behind in the state directory. */
export interface LogGroup {
  place: 'lake' | 'local';
  /** `2026-01`, UTC. */
  month: string;
  objects: number;
  bytes: number;
  /** When the newest of them was written; what is newer is not meant. */
  newest: Date;
  /** SHA-256 over every name with its etag or time. 64 hex digits. */
  fingerprint: string;
}

/** A group as the plan names it. */
export type PlannedLogs = Pick<LogGroup, 'place' | 'month' | 'newest'>;

export interface LogPlaces {
  lake: Lake;
  /** Where runs write their logs before they publish them. */
  directory: string;
}

/** Logs last written at or before `until`, by place and month. Memory grows with the months. */
export async function findLogs(places: LogPlaces, until: Date): Promise<LogGroup[]> {
  const sums = new Map<string, Omit<LogGroup, 'fingerprint'> & { hash: Hash }>();
  const add = (place: LogGroup['place'], log: LakeObject) => {
    const month = monthOf(log.modifiedAt);
    const name = `${place} ${month}`;
    const sum = sums.get(name) ?? {
      place,
      month,
      objects: 0,
      bytes: 0,
      newest: log.modifiedAt,
      hash: createHash('sha256'),
    };
    sums.set(name, sum);
    sum.objects += 1;
    sum.bytes += log.bytes;
    if (log.modifiedAt > sum.newest) sum.newest = log.modifiedAt;
    sum.hash.update(`${log.key}\n${log.etag}\n`);
  };
  for await (const log of lakeLogs(places.lake, until)) add('lake', log);
  for await (const log of localLogs(places.directory, until)) add('local', log);
  return [...sums]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { hash, ...sum }]) => ({ ...sum, fingerprint: hash.digest('hex') }));
}

export interface PurgeLogsOptions {
  signal: AbortSignal;
  /** Objects in a second at most; 0 is no limit. */
  perSecond: number;
  onRemoved?: (objects: number) => void;
}

/** Deletes what `findLogs` found; a log written since is left alone. Can be run again. */
export async function purgeLogs(
  places: LogPlaces,
  groups: readonly PlannedLogs[],
  options: PurgeLogsOptions,
): Promise<void> {
  const remover = new Remover(options);
  const { lake, directory } = places;
  await remover.remove(keysOf(logsIn('lake', places, groups)), (keys) => lake.remove(keys));
  await remover.remove(keysOf(logsIn('local', places, groups)), async (names) => {
    for (const name of names) await rm(join(directory, name), { force: true });
    await syncDirectory(directory);
  });
}

/** What is left of the groups. */
export async function remainingLogs(
  places: LogPlaces,
  groups: readonly PlannedLogs[],
): Promise<{ objects: number; bytes: number }> {
  const remaining = { objects: 0, bytes: 0 };
  for (const place of ['lake', 'local'] as const) {
    for await (const { bytes } of logsIn(place, places, groups)) {
      remaining.objects += 1;
      remaining.bytes += bytes;
    }
  }
  return remaining;
}

const monthOf = (time: Date): string => time.toISOString().slice(0, 7);

/** The logs of one place that the groups mean. */
async function* logsIn(
  place: LogGroup['place'],
  { lake, directory }: LogPlaces,
  groups: readonly PlannedLogs[],
): AsyncGenerator<LakeObject> {
  const newest = new Map(
    groups.filter((group) => group.place === place).map((group) => [group.month, group.newest]),
  );
  if (newest.size === 0) return;
  const until = new Date(Math.max(...[...newest.values()].map((date) => date.getTime())));
  const logs = place === 'lake' ? lakeLogs(lake, until) : localLogs(directory, until);
  for await (const log of logs) {
    const last = newest.get(monthOf(log.modifiedAt));
    if (last !== undefined && log.modifiedAt <= last) yield log;
  }
}

async function* keysOf(logs: AsyncIterable<LakeObject>): AsyncGenerator<Key> {
  for await (const { key } of logs) yield key;
}

/** The metrics of the last run are no log, however old: health and the calendar read them. */
async function* lakeLogs(lake: Lake, until: Date): AsyncGenerator<LakeObject> {
  for await (const object of lake.list(logsPrefix)) {
    if (object.key !== runMetricsKey && object.modifiedAt <= until) yield object;
  }
}

/** Logs of runs that ended without publishing them; one whose process lives is none of these. */
async function* localLogs(directory: string, until: Date): AsyncGenerator<LakeObject> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  for (const name of names.filter((entry) => entry.endsWith('.jsonl')).sort()) {
    const path = join(directory, name);
    const stats = await lstat(path).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (stats === undefined || !stats.isFile() || stats.mtime > until) continue;
    const writer = await logWriter(path);
    if (writer !== undefined && ownerState(writer) === 'alive') continue;
    yield { key: name, bytes: stats.size, modifiedAt: stats.mtime, etag: String(stats.mtimeMs) };
  }
}
