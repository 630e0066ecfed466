import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Key, type Lake, type Layer, layers } from '../../src/lake/lake.js';
import { batchPrefix, manifestKey } from '../../src/lake/layout.js';
import { type LayerDraft, publishLayer } from '../../src/lake/publish.js';

const below = { raw: undefined, bronze: undefined, silver: 'bronze', gold: 'silver' } as const;

/** Publishes a batch of small files, which is complete unless layers are left out. */
export async function putBatch(
  lake: Lake,
  batchId: string,
  options: { layers?: readonly Layer[]; files?: number } = {},
): Promise<void> {
  const { files = 2 } = options;
  const scratch = await mkdtemp(join(tmpdir(), 'reviewops-put-'));
  const hashes = new Map<Layer, string>();
  for (const layer of options.layers ?? (['bronze', 'silver', 'gold'] as const)) {
    const drafts = [];
    for (let part = 0; part < files; part += 1) {
      const path = join(scratch, `${layer}-${part}`);
      await writeFile(path, `${layer} ${batchId} ${part}\n`);
      drafts.push({ path, rows: 1, ranges: {} });
    }
    const parent = below[layer];
    const sha256 = parent === undefined ? undefined : hashes.get(parent);
    const draft: LayerDraft = {
      layer,
      batchId,
      tables: [{ name: 'review', columns: [], files: drafts }],
      source: {
        server: '127.0.0.1:5432',
        database: 'reviewops',
        schema: 'amazon',
        lsn: null,
        snapshotAt: '2026-01-31T23:59:59.000Z',
      },
      parents:
        parent === undefined || sha256 === undefined
          ? []
          : [{ key: manifestKey(parent, batchId), sha256 }],
      rejected: {},
      settings: {},
      tool: { name: 'reviewops', version: '0.0.0' },
      now: new Date('2026-01-31T23:59:59.000Z'),
    };
    hashes.set(layer, (await publishLayer(lake, draft)).sha256);
  }
  await rm(scratch, { recursive: true });
}

export async function keysOf(lake: Lake, prefix = ''): Promise<Key[]> {
  const keys: Key[] = [];
  for await (const { key } of lake.list(prefix)) keys.push(key);
  return keys;
}

/** Ids of the batches of which the lake holds anything, and how many objects that is. */
export async function batchesIn(lake: Lake): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const layer of layers) {
    for (const key of await keysOf(lake, `${layer}/batch=`)) {
      const [, batch = ''] = key.split('/');
      const id = batch.slice('batch='.length);
      counts[id] = (counts[id] ?? 0) + 1;
    }
  }
  return counts;
}

/** Makes a batch corrupt: a file of it is gone. */
export async function damage(lake: Lake, batchId: string): Promise<void> {
  const keys = await keysOf(lake, batchPrefix('bronze', batchId));
  await lake.remove(keys.filter((key) => key.endsWith('.parquet')).slice(0, 1));
}

/** The lake, with a hook before each removal; a hook that throws stands for a crash. */
export const watchRemovals = (
  lake: Lake,
  before: (keys: readonly Key[], call: number) => Promise<void> | void,
): Lake => {
  let calls = 0;
  return new Proxy(lake, {
    get: (target, name) => {
      const member = Reflect.get(target, name) as unknown;
      if (name === 'remove') {
        return async (keys: readonly Key[]) => {
          calls += 1;
          await before(keys, calls);
          await target.remove(keys);
        };
      }
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
};
