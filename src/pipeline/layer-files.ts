import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.js';
import type { Lake, LocalCopy } from '../lake/lake.js';
import type { Manifest, ManifestTable } from '../lake/manifest.js';
import { failed, isOperatorError } from '../system/errors.js';
import { hashFile } from '../system/hash-file.js';
import { mapParallel } from '../system/parallel.js';
import { parseSize } from '../system/size.js';
import type { StageContext } from './stage.js';

export interface LayerFiles {
  /** Local paths of the table's files, in the manifest's order. */
  of(table: ManifestTable): string[];
  dispose(): Promise<void>;
}

/** Memory for a row of a piece: its ids, those of what is joined to it, and tables of their hashes. */
const bytesOfRow = 1000;

/** Rows whose ids the engine can hold at once. */
export const rowsInMemory = ({ pipeline }: Config): number =>
  Math.max(1, Math.floor(parseSize(pipeline.memoryLimit) / bytesOfRow));

/**
 * The files of a table in pieces of at most so many rows, where a single file does not hold more;
 * at least one piece.
 */
export function filesInPieces(
  table: ManifestTable,
  files: LayerFiles,
  mostRows: number,
): string[][] {
  const pieces: string[][] = [[]];
  let rows = 0;
  for (const [index, path] of files.of(table).entries()) {
    const more = table.files[index]?.rows ?? 0;
    if (rows > 0 && rows + more > mostRows) {
      pieces.push([]);
      rows = 0;
    }
    pieces.at(-1)?.push(path);
    rows += more;
  }
  return pieces;
}

const parallelFetches = 4;

/** Makes the files of the named tables (all by default) readable for the engine. */
export async function fetchLayerFiles(
  lake: Lake,
  manifest: Manifest,
  scratch: string,
  only?: readonly string[],
): Promise<LayerFiles> {
  const directory = join(scratch, `fetched-${manifest.layer}`);
  await mkdir(directory, { recursive: true });
  const copies = new Map<string, LocalCopy>();
  const keys = manifest.tables
    .filter(({ name }) => only === undefined || only.includes(name))
    .flatMap((table) => table.files.map((file) => file.key));
  const dispose = async () => {
    await Promise.all([...copies.values()].map((copy) => copy.dispose()));
  };
  try {
    await mapParallel(keys, parallelFetches, async (key, index) => {
      // Copies have names of their own: by their directories, paths sort as the files do, which
      // decides which of two rows with the same id came first.
      const own = join(directory, String(index).padStart(6, '0'));
      copies.set(key, await lake.fetch(key, own).catch(describeMissing(manifest, key)));
    });
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    of: (table) =>
      table.files.map((file) => {
        const copy = copies.get(file.key);
        if (copy === undefined) throw new Error(`${file.key} was not fetched.`);
        return copy.path;
      }),
    dispose,
  };
}

/**
 * The same for the stages: a file that another run has made is first compared with what the manifest
 * says of it. The engine reads most damaged files without noticing that it makes other values of them.
 *
 * @throws FILE_CORRUPT
 */
export async function fetchCheckedFiles(
  { lake, published, signal }: StageContext,
  manifest: Manifest,
  scratch: string,
  only?: readonly string[],
): Promise<LayerFiles> {
  const files = await fetchLayerFiles(lake, manifest, scratch, only);
  if (published.has(manifest.layer)) return files;
  try {
    for (const table of manifest.tables) {
      if (only !== undefined && !only.includes(table.name)) continue;
      const paths = files.of(table);
      for (const [index, { key, sha256 }] of table.files.entries()) {
        const found = await hashFile(paths[index] ?? '', signal);
        if (found.sha256 !== sha256) throw damaged(manifest, key);
      }
    }
    return files;
  } catch (error) {
    await files.dispose();
    throw error;
  }
}

const damaged = ({ layer, batchId }: Manifest, key: string) =>
  failed('FILE_CORRUPT', `${key} is not what the manifest of ${layer} says: its bytes differ.`, {
    hint: `\`reviewops batch verify ${batchId}\` names all that is damaged, and the stage to run for it.`,
  });

/** The manifest names a file that is gone: going on does not help, the layer has to be made again. */
const describeMissing =
  ({ layer, batchId }: Manifest, key: string) =>
  (error: unknown): never => {
    if (!isOperatorError(error) || error.code !== 'OBJECT_NOT_FOUND') throw error;
    throw failed(error.code, `${key} is gone; the manifest of ${layer} names it.`, {
      hint: `\`reviewops batch verify ${batchId}\` names all that is damaged, and the stage to run for it.`,
      cause: error,
    });
  };
