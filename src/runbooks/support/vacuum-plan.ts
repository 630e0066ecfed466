import type { DatabaseClient } from '../../database/client.js';
import type { TableStatistics } from '../../maintenance/table-statistics.js';
import { formatBytes, formatSeconds } from '../../system/duration.js';
import type { Plan, PlanTarget } from '../engine/plan.js';
import { reading } from './context.js';
import {
  type Context,
  position,
  readTables,
  schemasOf,
  selected,
  tablesBefore,
} from './vacuum-tables.js';

/**
 * The exact tables and views. Asked again before the first act, it looks whether those that were
 * shown are still the same; that rows died or autovacuum came along meanwhile changes nothing.
 */
export const planVacuum = (context: Context, full: boolean): Promise<Plan> =>
  reading(context, 'vacuum', async (client) => {
    const { expectedGain } = await import('../../maintenance/table-statistics.js');
    const { materializedViews } = await import('../../maintenance/vacuum.js');
    const { tables, left } =
      context.plan === undefined
        ? await selected(client, context)
        : { tables: await shown(client, context), left: [] };
    const views = context.input.refreshViews
      ? await materializedViews(client, schemasOf(context))
      : [];
    const targets: PlanTarget[] = tables.map(({ table, oid, filenode }) => ({
      type: 'table',
      name: table,
      action: full ? 'write anew (VACUUM FULL)' : 'vacuum',
      state: { oid, filenode },
    }));
    for (const { view, concurrently } of views.filter(({ allowed }) => allowed)) {
      const action = concurrently ? 'refresh concurrently' : 'refresh';
      targets.push({ type: 'view', name: view, action, state: {} });
    }
    const bytes = tables.reduce((sum, { totalBytes }) => sum + totalBytes, 0);
    const seconds = full ? null : predicted(tables);
    const gain = sumKnown(tables.map(expectedGain));
    return {
      summary:
        targets.length === 0
          ? 'No table has dead rows that are worth a vacuum.'
          : `${full ? 'Write anew' : 'Vacuum'} ${tables.length} ${tables.length === 1 ? 'table' : 'tables'} (${formatBytes(bytes)})${views.length > 0 ? `, refresh ${views.length} views` : ''}.`,
      targets,
      totals: {
        tables: tables.map((table) => ({
          table: table.table,
          oid: table.oid,
          filenode: table.filenode,
          parent: table.parent,
          liveTuples: table.liveTuples,
          deadTuples: table.deadTuples,
          bytes: table.totalBytes,
          heapBytes: table.heapBytes,
          vacuumCount: table.vacuumCount,
        })),
        views: views.map(({ view, version }) => ({ view, version })),
        bytes,
        predictedSeconds: seconds,
        gainBytes: gain,
        checkpoint: context.input.checkpoint ? await position(client) : null,
      },
      notes: targets.length === 0 ? [] : notes({ full, seconds, gain, tables, views, left }),
    };
  });

/** The tables of the plan that was shown, as they are now. */
async function shown(client: DatabaseClient, context: Context): Promise<TableStatistics[]> {
  const before = new Set(tablesBefore(context).map(({ oid }) => oid));
  return (await readTables(client, context)).filter(({ oid }) => before.has(oid));
}

/** By what the server measured of earlier vacuums; null when it has measured none of a table. */
const predicted = (tables: readonly TableStatistics[]): number | null =>
  sumKnown(tables.map(({ meanVacuumSeconds }) => meanVacuumSeconds));

const sumKnown = (numbers: readonly (number | null)[]): number | null =>
  numbers.reduce<number | null>(
    (sum, number) => (sum === null || number === null ? null : sum + number),
    0,
  );

function notes(found: {
  full: boolean;
  seconds: number | null;
  gain: number | null;
  tables: readonly TableStatistics[];
  views: readonly { view: string; concurrently: boolean; allowed: boolean }[];
  left: readonly { table: string; why: string }[];
}): string[] {
  const { full, seconds, gain, views, left } = found;
  const lines = [
    full
      ? 'Lock: nobody reads or writes a table while it is written anew (ACCESS EXCLUSIVE).'
      : 'Lock: reads and writes go on; ALTER TABLE and other vacuums wait (SHARE UPDATE EXCLUSIVE).',
    `Duration: ${seconds === null ? 'unknown; nothing like it has been measured' : `about ${formatSeconds(seconds)}, as earlier vacuums of these tables took`}.`,
    `Gain: ${gain === null ? 'unknown; the statistics do not say' : full ? `about ${formatBytes(gain)} go back to the disk` : `about ${formatBytes(gain)} become usable again inside the tables; no file gets smaller`}.`,
  ];
  for (const { view, concurrently, allowed } of views) {
    if (!allowed) lines.push(`${view} is not refreshed: this role does not own it.`);
    else if (!concurrently) {
      lines.push(
        `${view} is refreshed plainly, and nobody reads it meanwhile: it has no unique index, or no rows yet.`,
      );
    }
  }
  for (const { table, why } of left) lines.push(`${table} is left alone: ${why}.`);
  return lines;
}
