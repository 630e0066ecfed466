import { type Key, type Layer, layers } from './lake.js';
import { manifestKey } from './layout.js';
import type { Manifest } from './manifest.js';
import { commandFor } from './published.js';

/**
 * - `complete`: bronze, silver and gold are published, their files are there in the right size,
 *   and each layer was made from the present one below it;
 * - `partial`: a layer is missing, or made from an older one;
 * - `corrupt`: a manifest cannot be read, or a file is missing or of the wrong size;
 * - `running`: somebody works on it.
 */
export type BatchState = 'complete' | 'partial' | 'corrupt' | 'running';
export const batchStates = ['complete', 'partial', 'corrupt', 'running'] as const;

export interface BatchProblem {
  kind: 'missing-layer' | 'stale-layer' | 'damaged-manifest' | 'damaged-file';
  layer: Layer;
  /** The manifest or the file concerned. */
  key: Key;
  problem: string;
  /** What to do about it. */
  hint: string;
}

/** The problem of a file that a manifest names and the lake does not hold. */
export const fileIsMissing = 'it is missing';

/** Whether data is damaged; else something is missing or out of date. */
export const isDamage = ({ kind }: BatchProblem): boolean =>
  kind === 'damaged-manifest' || kind === 'damaged-file';

export interface BatchSummary {
  batchId: string;
  /** The published ones, in the order in which they are made. */
  layers: Layer[];
  /** In the tables of the furthest layer, rejected rows not counted. */
  rows: number;
  /** Of all objects stored for the batch. */
  bytes: number;
  /** When the first of its layers was published; without any, its oldest object. ISO 8601, UTC. */
  createdAt: string;
  state: BatchState;
  problems: BatchProblem[];
}

/** The parts of a manifest that the state of a batch depends on. */
export type ManifestCore = Pick<Manifest, 'createdAt' | 'parents'> & {
  tables: (Pick<Manifest['tables'][number], 'name' | 'rows'> & {
    files: Pick<Manifest['tables'][number]['files'][number], 'key' | 'bytes'>[];
  })[];
};

/** What the lake holds of one batch. */
export interface BatchContents {
  batchId: string;
  /** Bytes of every object, by key. */
  objects: ReadonlyMap<Key, number>;
  oldest: Date;
  /** Each manifest that is there: its hash, and its content unless it is damaged. */
  manifests: ReadonlyMap<Layer, { sha256: string; core: ManifestCore | undefined }>;
  running: boolean;
}

const neededLayers: readonly Layer[] = ['bronze', 'silver', 'gold'];

/** Judges a batch by what is there, without reading any data file. */
export function assessBatch(contents: BatchContents): BatchSummary {
  const { batchId, objects, manifests, running } = contents;
  const published = layers.filter((layer) => manifests.get(layer)?.core !== undefined);
  const problems = layers.flatMap((layer) => layerProblems(contents, layer));
  const created = published.map((layer) => manifests.get(layer)?.core?.createdAt ?? '').sort()[0];
  const furthest = published.at(-1);
  const tables = furthest === undefined ? [] : (manifests.get(furthest)?.core?.tables ?? []);
  return {
    batchId,
    layers: published,
    rows: total(tables.filter(({ name }) => name !== 'rejected').map(({ rows }) => rows)),
    bytes: total([...objects.values()]),
    createdAt: created ?? contents.oldest.toISOString(),
    state: stateOf(problems, running),
    problems,
  };
}

function stateOf(problems: readonly BatchProblem[], running: boolean): BatchState {
  if (running) return 'running';
  if (problems.some(isDamage)) return 'corrupt';
  return problems.length > 0 ? 'partial' : 'complete';
}

function layerProblems(contents: BatchContents, layer: Layer): BatchProblem[] {
  const { batchId, objects, manifests, running } = contents;
  const manifest = manifests.get(layer);
  const key = manifestKey(layer, batchId);
  const hint = `Run ${commandFor(layer, batchId)}.`;
  if (manifest === undefined) {
    // Whoever works on it has still to publish it.
    if (running || !neededLayers.includes(layer)) return [];
    const files = [...objects.keys()].filter((name) => name.startsWith(`${layer}/`)).length;
    const trace = files === 0 ? '' : `; an interrupted run left ${files} unpublished files`;
    const problem = `${layer} is missing${trace}`;
    return [{ kind: 'missing-layer', layer, key, problem, hint }];
  }
  if (manifest.core === undefined) {
    const problem = `the manifest of ${layer} is damaged`;
    return [{ kind: 'damaged-manifest', layer, key, problem, hint }];
  }
  const files = manifest.core.tables.flatMap((table) => table.files);
  const damaged = files.flatMap((file): BatchProblem[] => {
    const present = objects.get(file.key);
    if (present === file.bytes) return [];
    const problem =
      present === undefined ? fileIsMissing : `it has ${present} bytes in place of ${file.bytes}`;
    return [{ kind: 'damaged-file', layer, key: file.key, problem, hint }];
  });
  const stale = staleParents(contents, manifest.core).map(
    (reason): BatchProblem => ({
      kind: 'stale-layer',
      layer,
      key,
      problem: `${layer} ${reason}`,
      hint,
    }),
  );
  return [...damaged, ...stale];
}

/** What is wrong with the layers this one was made from. */
function staleParents({ batchId, manifests }: BatchContents, core: ManifestCore): string[] {
  return core.parents.flatMap(({ key, sha256 }) => {
    const parent = layers.find((layer) => manifestKey(layer, batchId) === key);
    if (parent === undefined) return [];
    const present = manifests.get(parent);
    if (present === undefined) return [`was made from ${parent}, which is gone`];
    return present.sha256 === sha256 ? [] : [`was made from an earlier ${parent}`];
  });
}

const total = (numbers: readonly number[]): number => numbers.reduce((sum, n) => sum + n, 0);
