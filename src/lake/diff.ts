import { showBatch } from './batches.js';
import { type Lake, type Layer, layers } from './lake.js';
import type { Manifest, ManifestTable } from './manifest.js';

/** A value of one batch and of the other. */
export interface Pair<T> {
  a: T;
  b: T;
}

export interface TableDiff {
  table: string;
  /** Null on the side that has no such table. */
  rows: Pair<number | null>;
  bytes: Pair<number | null>;
  files: Pair<number | null>;
  columns: {
    added: string[];
    removed: string[];
    changed: { name: string; type: Pair<string> }[];
  };
}

export interface LayerDiff {
  layer: Layer;
  /** Whether each batch has this layer. */
  present: Pair<boolean>;
  /** Tables that differ; empty when all agree. */
  tables: TableDiff[];
  /** Rules by which a different number of rows was rejected. */
  rejected: { rule: string; rows: Pair<number> }[];
  settings: { name: string; value: Pair<unknown> }[];
}

export interface BatchDiff {
  a: string;
  b: string;
  /** Whether nothing differs: schema, rows, sizes, rejects and settings. */
  same: boolean;
  layers: LayerDiff[];
}

/** Compares two batches by their manifests. `BATCH_NOT_FOUND` (exit 2). */
export async function diffBatches(
  lake: Lake,
  ids: Pair<string>,
  options: { now: () => Date },
): Promise<BatchDiff> {
  const a = await showBatch(lake, ids.a, options);
  const b = await showBatch(lake, ids.b, options);
  const found = layers.flatMap((layer): LayerDiff[] => {
    const pair = {
      a: a.manifests.find((manifest) => manifest.layer === layer),
      b: b.manifests.find((manifest) => manifest.layer === layer),
    };
    return pair.a === undefined && pair.b === undefined ? [] : [diffLayer(layer, pair)];
  });
  const differs = ({ present, tables, rejected, settings }: LayerDiff): boolean =>
    present.a !== present.b || tables.length + rejected.length + settings.length > 0;
  return { ...ids, same: !found.some(differs), layers: found };
}

function diffLayer(layer: Layer, { a, b }: Pair<Manifest | undefined>): LayerDiff {
  const names = union(
    a?.tables.map(({ name }) => name),
    b?.tables.map(({ name }) => name),
  );
  const tables = names.map((table) => diffTable(table, { a: find(a, table), b: find(b, table) }));
  const rules = union(Object.keys(a?.rejected ?? {}), Object.keys(b?.rejected ?? {}));
  const settings = union(Object.keys(a?.settings ?? {}), Object.keys(b?.settings ?? {}));
  return {
    layer,
    present: { a: a !== undefined, b: b !== undefined },
    tables: tables.filter(tableDiffers),
    rejected: rules
      .map((rule) => ({ rule, rows: { a: a?.rejected[rule] ?? 0, b: b?.rejected[rule] ?? 0 } }))
      .filter(({ rows }) => rows.a !== rows.b),
    settings: settings
      .map((name) => ({
        name,
        value: { a: a?.settings[name] ?? null, b: b?.settings[name] ?? null },
      }))
      .filter(({ value }) => JSON.stringify(value.a) !== JSON.stringify(value.b)),
  };
}

function diffTable(table: string, { a, b }: Pair<ManifestTable | undefined>): TableDiff {
  const typesA = new Map(a?.columns.map(({ name, type }) => [name, type]));
  const typesB = new Map(b?.columns.map(({ name, type }) => [name, type]));
  const both = a !== undefined && b !== undefined;
  return {
    table,
    rows: { a: a?.rows ?? null, b: b?.rows ?? null },
    bytes: { a: a?.bytes ?? null, b: b?.bytes ?? null },
    files: { a: a?.files.length ?? null, b: b?.files.length ?? null },
    columns: {
      added: both ? [...typesB.keys()].filter((name) => !typesA.has(name)) : [],
      removed: both ? [...typesA.keys()].filter((name) => !typesB.has(name)) : [],
      changed: [...typesA].flatMap(([name, type]) => {
        const other = typesB.get(name);
        const changed = other !== undefined && other !== type;
        return changed ? [{ name, type: { a: type, b: other } }] : [];
      }),
    },
  };
}

const tableDiffers = ({ rows, bytes, files, columns }: TableDiff): boolean =>
  rows.a !== rows.b ||
  bytes.a !== bytes.b ||
  files.a !== files.b ||
  columns.added.length + columns.removed.length + columns.changed.length > 0;

const find = (manifest: Manifest | undefined, table: string): ManifestTable | undefined =>
  manifest?.tables.find(({ name }) => name === table);

const union = (a: readonly string[] = [], b: readonly string[] = []): string[] =>
  [...new Set([...a, ...b])].sort();
