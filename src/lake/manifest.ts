import { z } from 'zod';
import type { Layer } from './lake.js';

/**
 * What a layer of a batch consists of. Written last and atomically: a layer without a manifest
 * does not exist for readers, and files that no manifest names are leftovers of a crash.
 */

const range = z.object({ min: z.string().nullable(), max: z.string().nullable() });

const file = z.object({
  key: z.string(),
  rows: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  /** Lower-case hex of the file's bytes. */
  sha256: z.string().length(64),
  /** Smallest and largest value of each key column in this file, as text. */
  ranges: z.record(z.string(), range),
});

const table = z.object({
  name: z.string(),
  columns: z.array(z.object({ name: z.string(), type: z.string() })),
  rows: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  files: z.array(file),
});

export const manifestSchema = z.object({
  format: z.literal(1),
  layer: z.enum(['raw', 'bronze', 'silver', 'gold']),
  batchId: z.string(),
  /** Grows with each publication of this layer of this batch, from 1; interrupted attempts count. */
  generation: z.int().positive(),
  createdAt: z.iso.datetime(),
  tool: z.object({ name: z.string(), version: z.string() }),
  /** The database snapshot the batch was cut from; carried from bronze to gold. */
  source: z.object({
    server: z.string(),
    database: z.string(),
    schema: z.string(),
    lsn: z.string().nullable(),
    snapshotAt: z.iso.datetime(),
  }),
  /** The manifests this layer was made from, by hash of their bytes. */
  parents: z.array(z.object({ key: z.string(), sha256: z.string().length(64) })),
  tables: z.array(table),
  /** Rows that broke a rule, by rule; they are in the table `rejected`. */
  rejected: z.record(z.string(), z.int().nonnegative()),
  /** What the layer was made with: score preset and weights, key id of the pseudonyms. */
  settings: z.record(z.string(), z.json()),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestTable = z.infer<typeof table>;
export type ManifestFile = z.infer<typeof file>;

/** A published layer: the manifest and the hash of its bytes, which children record as parent. */
export interface PublishedLayer {
  layer: Layer;
  manifest: Manifest;
  sha256: string;
  etag: string;
}
