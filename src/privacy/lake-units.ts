import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Key, Lake, LakeObject } from '../lake/lake.js';
import { leasesPrefix } from '../lake/layout.js';
import { privacyPrefix } from '../lake/privacy-layout.js';

/** One thing in the lake that may hold a person: an object as it is, or an old version of one. */
export interface LakeUnit {
  key: Key;
  bytes: number;
  /** Of the present object; for `ifMatch`. */
  etag: string | undefined;
  /** Where the lake keeps versions. */
  versionId: string | undefined;
  /** What readers see. */
  present: boolean;
}

export const unitName = ({ key, versionId, present }: LakeUnit): string =>
  present || versionId === undefined ? key : `${key}@${versionId}`;

/** Keys that the tool itself keeps without anything of a person in them. */
const own = [privacyPrefix, leasesPrefix];

/** All that lies in the lake, old versions included; delete markers hold nothing. */
export async function listUnits(lake: Lake): Promise<LakeUnit[]> {
  const units: LakeUnit[] = [];
  const present = new Map<Key, LakeObject>();
  for await (const object of lake.list('')) {
    if (own.some((prefix) => object.key.startsWith(prefix))) continue;
    present.set(object.key, object);
  }
  const seen = new Set<Key>();
  if (lake.versions !== undefined) {
    for await (const { key, versionId, bytes, latest, deleted } of lake.versions.list('')) {
      if (deleted || own.some((prefix) => key.startsWith(prefix))) continue;
      const object = latest ? present.get(key) : undefined;
      if (object !== undefined) seen.add(key);
      units.push({ key, bytes, etag: object?.etag, versionId, present: object !== undefined });
    }
  }
  for (const { key, bytes, etag } of present.values()) {
    if (!seen.has(key)) units.push({ key, bytes, etag, versionId: undefined, present: true });
  }
  return units;
}

const filesAtOnce = 2000;
const bytesAtOnce = 2e9;

/** No more at once than one statement reads well, and the local disk should hold of another lake. */
export function slices<T>(items: readonly T[], unitOf: (item: T) => LakeUnit): T[][] {
  const all: T[][] = [];
  let bytes = 0;
  for (const item of items) {
    const last = all.at(-1);
    if (last === undefined || last.length >= filesAtOnce || bytes > bytesAtOnce) {
      all.push([item]);
      bytes = unitOf(item).bytes;
    } else {
      last.push(item);
      bytes += unitOf(item).bytes;
    }
  }
  return all;
}

export interface UnitCopy {
  unit: LakeUnit;
  path: string;
  dispose(): Promise<void>;
}

const parallelFetches = 8;

/** Makes units readable as local files; those that are gone meanwhile are left out. */
export async function fetchUnits(
  lake: Lake,
  units: readonly LakeUnit[],
  scratch: string,
): Promise<UnitCopy[]> {
  await mkdir(scratch, { recursive: true });
  const copies: UnitCopy[] = [];
  const queue = units.entries();
  const worker = async () => {
    for (const [index, unit] of queue) {
      copies[index] = await fetchUnit(lake, unit, scratch, index);
    }
  };
  try {
    await Promise.all(Array.from({ length: parallelFetches }, worker));
  } catch (error) {
    await disposeAll(copies.filter((copy) => copy !== undefined));
    throw error;
  }
  return copies;
}

async function fetchUnit(
  lake: Lake,
  unit: LakeUnit,
  scratch: string,
  index: number,
): Promise<UnitCopy> {
  if (unit.present || unit.versionId === undefined) {
    const copy = await lake.fetch(unit.key, scratch);
    return { unit, path: copy.path, dispose: () => copy.dispose() };
  }
  const extension = /\.[^./]+$/.exec(unit.key)?.[0] ?? '';
  const path = join(scratch, `version-${index}-${process.hrtime.bigint()}${extension}`);
  await writeFile(path, (await lake.versions?.read(unit.key, unit.versionId)) ?? '');
  return { unit, path, dispose: () => rm(path, { force: true }) };
}

export const disposeAll = async (copies: readonly UnitCopy[]): Promise<void> => {
  await Promise.all(copies.map((copy) => copy.dispose()));
};
