import type { GoldCounts } from '../../diagnosis/gold.js';
import type { ServedCounts } from '../../diagnosis/served.js';
import type { BatchDetails } from '../../lake/batches.js';
import { type AnyContext, databaseOf, withEngine } from './context.js';
import { look } from './evidence.js';

/** Gold against silver, of one batch. */
export const goldCounts = (context: AnyContext, batch: BatchDetails): Promise<GoldCounts> =>
  withEngine(context, async (engine, scratch) => {
    const { countGold } = await import('../../diagnosis/gold.js');
    return countGold(await context.services.lake(), batch, engine, scratch);
  });

/** The serving table against gold and source, of one batch. */
export const servedCounts = (context: AnyContext, batch: BatchDetails): Promise<ServedCounts> =>
  withEngine(context, async (engine, scratch) => {
    const [{ compareServed }, { withClient }] = await Promise.all([
      import('../../diagnosis/served.js'),
      import('../../database/client.js'),
    ]);
    const { target, ...options } = await databaseOf(context);
    const lake = await context.services.lake();
    const { config } = context.services;
    return withClient(target, { purpose: 'compare served rows', ...options }, (client) =>
      compareServed({ client, engine, lake, config, batch, scratch }),
    );
  });

/**
 * The batches whose gold matters: the named one, or the newest with silver and the one that is
 * served. Damaged ones are left out: their rows cannot be counted.
 */
export async function batchesOfConcern(
  context: AnyContext,
  batchId: string | undefined,
  served: readonly string[],
): Promise<BatchDetails[]> {
  const { batches } = await look(context, batchId);
  const withSilver = batches.filter(({ layers }) => layers.includes('silver'));
  if (batchId !== undefined) return withSilver;
  const concern = withSilver.slice(0, 1);
  for (const id of served) {
    if (concern.some((batch) => batch.batchId === id)) continue;
    const { batches: known } = await look(context, undefined, Number.POSITIVE_INFINITY);
    concern.push(...known.filter((batch) => batch.batchId === id));
  }
  return concern;
}
