import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeParquet } from '../../src/engine/parquet.js';
import { openEngine } from '../../src/engine/session.js';
import type { Lake } from '../../src/lake/lake.js';
import { manifestKey } from '../../src/lake/layout.js';
import type { PublishedLayer } from '../../src/lake/manifest.js';
import { type LayerDraft, publishLayer } from '../../src/lake/publish.js';

const moment = '2026-01-31T23:59:59.000Z';

export type TestLayer = 'bronze' | 'silver' | 'gold';
const below = { bronze: undefined, silver: 'bronze', gold: 'silver' } as const;
const tables = {
  bronze: ['product', 'review'],
  silver: ['review', 'rejected'],
  gold: ['fact_reviews'],
};

/** Publishes layers with real Parquet files of 5 rows a table, each made from the one below it. */
export async function publishBatch(
  lake: Lake,
  batchId: string,
  scratch: string,
  options: { layers?: readonly TestLayer[]; now?: Date } = {},
): Promise<Map<TestLayer, PublishedLayer>> {
  const { layers = ['bronze', 'silver', 'gold'], now = new Date(moment) } = options;
  mkdirSync(scratch, { recursive: true });
  const { signal } = new AbortController();
  const engine = await openEngine({ memoryLimit: '128MB', threads: 1, scratch, signal });
  const published = new Map<TestLayer, PublishedLayer>();
  try {
    for (const layer of layers) {
      const draftTables: LayerDraft['tables'] = [];
      for (const name of tables[layer]) {
        const path = join(scratch, `${layer}-${name}.parquet`);
        await writeParquet(
          engine,
          `SELECT 'R' || i AS review_id, CAST(i AS INTEGER) AS rating FROM range(5) AS r(i)`,
          path,
        );
        draftTables.push({
          name,
          columns: [
            { name: 'review_id', type: 'VARCHAR' },
            { name: 'rating', type: 'INTEGER' },
          ],
          files: [{ path, rows: 5, ranges: { review_id: { min: 'R0', max: 'R4' } } }],
        });
      }
      const parentLayer = below[layer];
      const parent = parentLayer === undefined ? undefined : published.get(parentLayer);
      const key = manifestKey(parentLayer ?? 'bronze', batchId);
      published.set(
        layer,
        await publishLayer(lake, {
          layer,
          batchId,
          tables: draftTables,
          source: {
            server: '127.0.0.1:5432',
            database: 'reviewops',
            schema: 'amazon',
            lsn: '0/16B3748',
            snapshotAt: moment,
          },
          parents: parent === undefined ? [] : [{ key, sha256: parent.sha256 }],
          rejected: layer === 'silver' ? { rating: 2, duplicate: 3 } : {},
          settings: layer === 'gold' ? { preset: 'default' } : {},
          tool: { name: 'reviewops', version: '0.0.0' },
          now,
        }),
      );
    }
  } finally {
    await engine.close();
  }
  return published;
}
