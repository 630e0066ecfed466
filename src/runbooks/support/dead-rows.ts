import type { Finding } from '../engine/definition.js';
import { type AnyContext, reading } from './context.js';
import { listing, orUnknown } from './evidence.js';

/** From this many rows, and this share of the table, on, dead rows are worth a VACUUM. */
const worthwhile = { rows: 10_000, share: 0.2 };

/** The tables that hold many dead rows; `maintenance` is ours in any schema. */
export const deadRowsFinding = (context: AnyContext): Promise<Finding> =>
  orUnknown(() =>
    reading(context, 'dead rows', async (client) => {
      const { deadTables } = await import('../../diagnosis/pressure.js');
      const { source, serving } = context.services.config;
      return listing(
        await deadTables(client, [source.schema, serving.schema, 'maintenance'], worthwhile),
        { none: 'No table has many.', some: 'Many dead rows', state: 'warning' },
        'tables',
      );
    }),
  );
