import type { Finding } from '../engine/definition.js';
import { type AnyContext, reading } from './context.js';
import { abridge, listing, orUnknown } from './evidence.js';

/** From this many rows, and this share of the table, on, dead rows are worth a VACUUM. */
const worthwhile = { rows: 10_000, share: 0.2 };

/** The tables that hold many dead rows; `maintenance` is ours in any schema. */
export const deadRowsFinding = (context: AnyContext): Promise<Finding> =>
  orUnknown(() =>
    reading(context, 'dead rows', async (client): Promise<Finding> => {
      const { deadTables } = await import('../../diagnosis/pressure.js');
      const { source, serving } = context.services.config;
      const schemas = [source.schema, serving.schema, 'maintenance'];
      const { tables, unknown } = await deadTables(client, schemas, worthwhile);
      if (tables.length === 0 && unknown.length > 0) {
        const summary = `The server has lost its statistics of ${abridge(unknown)}.`;
        return { state: 'unknown', summary, evidence: { tables, unknown } };
      }
      return listing(
        tables,
        { none: 'No table has many.', some: 'Many dead rows', state: 'warning' },
        'tables',
      );
    }),
  );
