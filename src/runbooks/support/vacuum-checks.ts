import { formatBytes, formatCount } from '../../system/duration.js';
import type { Finding } from '../engine/definition.js';
import { reading } from './context.js';
import { type Context, readTables, selected } from './vacuum-tables.js';

/** What a vacuum looks at before it is planned. */

export const findHolders = (context: Context, full: boolean): Promise<Finding> =>
  reading(context, 'vacuum', async (client) => {
    const { describeBlocker, findBlockers, removesNothing } = await import(
      '../../maintenance/vacuum-blockers.js'
    );
    const { blockers, complete } = await findBlockers(client, { full });
    const { tables } = await selected(client, context);
    const evidence = { blockers: blockers.map((blocker) => ({ ...blocker })), complete };
    const [first] = blockers;
    if (first === undefined) {
      return complete
        ? { state: 'ok', summary: 'Nothing holds dead rows back.', evidence }
        : {
            state: 'unknown',
            summary:
              'This role does not see what other users’ sessions hold (it lacks pg_read_all_stats).',
            evidence,
          };
    }
    const useless = tables.filter((table) => removesNothing(table, blockers));
    const summary = `${describeBlocker(first)} keeps rows that died since${blockers.length === 1 ? '' : `; ${blockers.length - 1} more behind it`}. To end it: ${first.cure}`;
    if (tables.length > 0 && useless.length === tables.length) {
      return { state: 'critical', summary: `VACUUM would remove nothing: ${summary}`, evidence };
    }
    const patience = context.services.config.maintenance.blockerSeconds;
    const old = blockers.some(({ seconds }) => seconds === null || seconds >= patience);
    return { state: old ? 'warning' : 'ok', summary, evidence };
  });

export const lookAtTables = (context: Context): Promise<Finding> =>
  reading(context, 'vacuum', async (client) => {
    const tables = await readTables(client, context);
    const unknown = tables.filter(
      ({ deadTuples, heapBytes }) => deadTuples === null && heapBytes > 0,
    );
    const dead = tables.reduce((sum, { deadTuples }) => sum + (deadTuples ?? 0), 0);
    const bytes = tables.reduce((sum, { totalBytes }) => sum + totalBytes, 0);
    const evidence = {
      tables: tables.length,
      deadTuples: dead,
      bytes,
      unknown: unknown.map(({ table }) => table),
    };
    const seen = `${formatCount(dead)} dead rows in ${tables.length} tables of ${formatBytes(bytes)}`;
    return unknown.length === 0
      ? { state: 'ok', summary: `${seen}.`, evidence }
      : {
          state: 'unknown',
          summary: `${seen}; the statistics of ${unknown.length} are lost or too old to say: ${evidence.unknown.slice(0, 3).join(', ')}${unknown.length > 3 ? ' …' : ''}.`,
          evidence,
        };
  });

/** A full vacuum writes the table anew beside the old one. */
export const checkSpace = (context: Context): Promise<Finding> =>
  reading(context, 'vacuum', async (client) => {
    const { freeSpace } = await import('../../maintenance/free-space.js');
    const { tables } = await selected(client, context);
    const needed = Math.max(0, ...tables.map(({ totalBytes }) => totalBytes));
    const free = await freeSpace(await context.services.database(), client);
    const evidence = { neededBytes: needed, freeBytes: free };
    if (free === null) {
      return {
        state: 'unknown',
        summary: `The largest table needs ${formatBytes(needed)} beside it; how much the server’s disk has cannot be seen from here. Who confirms the plan answers for it.`,
        evidence,
      };
    }
    return free >= needed
      ? {
          state: 'ok',
          summary: `${formatBytes(needed)} needed, ${formatBytes(free)} free.`,
          evidence,
        }
      : {
          state: 'critical',
          summary: `The largest table needs ${formatBytes(needed)} beside it and only ${formatBytes(free)} are free.`,
          evidence,
        };
  });
