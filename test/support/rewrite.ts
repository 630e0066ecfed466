import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetSource } from '../../src/engine/parquet.js';
import { openEngine } from '../../src/engine/session.js';
import type { Layer } from '../../src/lake/lake.js';
import { type DraftTable, publishLayer, requireLayer } from '../../src/lake/publish.js';
import { draftTable } from './draft-table.js';
import type { World } from './world.js';

/**
 * Publishes a layer again with one table changed by a query over `layer`, or one a file: a lake that
 * agrees with its manifests and is wrong all the same.
 */
export async function rewriteLayer(
  world: Pick<World, 'lake' | 'root'>,
  layer: Layer,
  batchId: string,
  table: string,
  query: string | string[],
): Promise<void> {
  const { lake, root } = world;
  const scratch = await mkdtemp(join(root, 'rewrite-'));
  const { signal } = new AbortController();
  const { manifest } = await requireLayer(lake, layer, batchId);
  const engine = await openEngine({ memoryLimit: '256MB', threads: 1, scratch, signal });
  try {
    const tables: DraftTable[] = [];
    for (const { name, files } of manifest.tables) {
      const copies = await Promise.all(files.map((file) => lake.fetch(file.key, scratch)));
      await engine.run(
        `CREATE OR REPLACE VIEW layer AS SELECT * FROM ${parquetSource(copies.map(({ path }) => path))}`,
      );
      const queries = name === table ? query : 'SELECT * FROM layer';
      tables.push(await draftTable(engine, scratch, name, queries));
    }
    const { source, parents, rejected, settings, tool } = manifest;
    await publishLayer(lake, {
      layer,
      batchId,
      tables,
      source,
      parents,
      rejected,
      settings,
      tool,
      now: new Date(),
    });
  } finally {
    await engine.close();
  }
}
