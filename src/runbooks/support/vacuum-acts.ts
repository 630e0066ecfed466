import { setTimeout as delay } from 'node:timers/promises';
import type { DatabaseClient } from '../../database/client.js';
import type { TableStatistics } from '../../maintenance/table-statistics.js';
import { formatBytes, formatCount, formatSeconds } from '../../system/duration.js';
import { failed } from '../../system/errors.js';
import type { JsonObject, Verified } from '../engine/definition.js';
import { databaseOf, reading } from './context.js';
import {
  type Context,
  position,
  readTables,
  schemasOf,
  type TableBefore,
  tablesBefore,
  type ViewBefore,
  viewsBefore,
} from './vacuum-tables.js';

/** Vacuums what the plan names and is not done yet, smallest first. */
export async function actVacuum(context: Context, full: boolean): Promise<JsonObject> {
  const { withClient } = await import('../../database/client.js');
  const { analyzeParents, vacuumTable } = await import('../../maintenance/vacuum.js');
  const { target, ...access } = await databaseOf(context, { write: true });
  const options = { purpose: 'vacuum', ...access };
  const before = new Map(tablesBefore(context).map((table) => [table.oid, table]));
  const seconds: { [table: string]: number } = {};
  await withClient(target, options, (client) =>
    withClient(target, options, async (watch) => {
      const present = (await readTables(client, context)).filter(({ oid }) => before.has(oid));
      const missing = before.size - present.length;
      if (missing > 0) {
        throw failed('TABLES_GONE', `${missing} of the planned tables are gone.`, {
          hint: 'A load replaces the partitions of the serving table. Make a new plan.',
        });
      }
      const patience = context.services.config.maintenance.deadTuples;
      const open = present.filter((table) => {
        const planned = before.get(table.oid);
        return (
          !isVacuumed(table, planned, full) ||
          removedNothing(table, planned, patience, isCounted(context, full))
        );
      });
      for (const table of open.toSorted((a, b) => a.totalBytes - b.totalBytes)) {
        const started = performance.now();
        await vacuumTable(client, table, {
          full,
          analyze: context.input.analyze,
          watch,
          onNotice: context.output,
          onProgress: (done, total) => context.progress(done, total, 'bytes'),
        });
        await counted(watch, context, (now) => isVacuumed(now, before.get(table.oid), full), table);
        seconds[table.table] = (performance.now() - started) / 1000;
        context.output(`${table.table}: ${formatSeconds(seconds[table.table] ?? 0)}`);
      }
      const parents = present.flatMap(({ parent }) => (parent === null ? [] : [parent]));
      if (context.input.analyze) await analyzeParents(client, [...new Set(parents)]);
    }),
  );
  return { seconds };
}

/** A full vacuum is not counted by the server; it leaves another file. */
const isVacuumed = (
  now: TableStatistics,
  before: TableBefore | undefined,
  full: boolean,
): boolean =>
  before !== undefined &&
  (full ? now.filenode !== before.filenode : now.vacuumCount > before.vacuumCount);

/** Whether the server knows how many dead rows a vacuum left. */
const isCounted = ({ input }: Context, full: boolean): boolean => !full || input.analyze;

/**
 * A vacuum that ran and left as many dead rows as there were; below `few`, new ones explain it.
 * After a full one (not `counted`) the number is that of before until somebody analyses: then the
 * file tells.
 */
const removedNothing = (
  now: TableStatistics | undefined,
  before: TableBefore | undefined,
  few: number,
  counted: boolean,
): boolean => {
  const dead = before?.deadTuples ?? 0;
  if (dead < few || (now?.deadTuples ?? 0) < dead) return false;
  return counted || (now?.heapBytes ?? 0) >= (before?.heapBytes ?? 0);
};

/** How long statistics may take to arrive, in milliseconds. */
const statisticsPatience = 10_000;

/** Waits until the server has counted a vacuum; before version 15 it learns of it a moment later. */
async function counted(
  client: DatabaseClient,
  context: Context,
  isDone: (table: TableStatistics) => boolean,
  { oid }: { oid: string },
): Promise<void> {
  const until = Date.now() + statisticsPatience;
  while (Date.now() < until) {
    const found = (await readTables(client, context)).find((table) => table.oid === oid);
    if (found === undefined || isDone(found)) return;
    await delay(50);
  }
}

/** Measures again: each table must have been vacuumed since the plan, and with an effect. */
export const verifyVacuum = (context: Context, full: boolean): Promise<Verified> =>
  reading(context, 'vacuum', async (client) => {
    const { describeBlocker, findBlockers } = await import('../../maintenance/vacuum-blockers.js');
    const before = tablesBefore(context);
    const now = new Map((await readTables(client, context)).map((table) => [table.oid, table]));
    const pairs = before.map((table) => ({ table, now: now.get(table.oid) }));
    const isDone = ({ table, now: found }: (typeof pairs)[number]) =>
      found !== undefined && isVacuumed(found, table, full);
    const { blockers } = await findBlockers(client, { full });
    const open = pairs.filter((pair) => !isDone(pair)).map(({ table }) => table.table);
    const [first] = blockers;
    const few = first === undefined ? context.services.config.maintenance.deadTuples : 1;
    const kept = pairs.filter(({ table, now: found }) =>
      removedNothing(found, table, few, isCounted(context, full)),
    );
    const evidence = {
      tables: pairs.map(({ table, now }) => ({
        table: table.table,
        deadTuplesBefore: table.deadTuples,
        // A full vacuum is not counted; only ANALYZE looks at what it left.
        deadTuplesAfter: isCounted(context, full) ? (now?.deadTuples ?? null) : null,
        bytesBefore: table.bytes,
        bytesAfter: now?.totalBytes ?? null,
      })),
      // A full vacuum gives a view another version, too: a refresh is told by what it has now.
      ...(context.input.refreshViews
        ? { views: (await viewVersions(client, context)).map((view) => ({ ...view })) }
        : {}),
    };
    if (open.length > 0) {
      return { done: false, summary: `Not vacuumed: ${open.join(', ')}.`, evidence };
    }
    if (kept.length > 0) {
      const why =
        first === undefined
          ? 'What held them has ended since. Run it again.'
          : `They are held by ${describeBlocker(first)}. End it (${first.cure}), then run it again.`;
      return {
        done: false,
        summary: `${kept.map(({ table }) => table.table).join(', ')}: no dead row was removed. ${why}`,
        evidence,
      };
    }
    const sum = (key: 'deadTuplesBefore' | 'deadTuplesAfter' | 'bytesBefore' | 'bytesAfter') =>
      evidence.tables.reduce((total, table) => total + (table[key] ?? 0), 0);
    const tables = `${before.length} ${before.length === 1 ? 'table' : 'tables'}`;
    return {
      done: true,
      summary: full
        ? `${tables} written anew: ${formatBytes(sum('bytesBefore'))} before, ${formatBytes(sum('bytesAfter'))} after.`
        : `${tables} vacuumed: ${formatCount(sum('deadTuplesBefore'))} dead rows before, ${formatCount(sum('deadTuplesAfter'))} after.`,
      evidence,
    };
  });

export const actId = 'vacuum';

async function viewVersions(client: DatabaseClient, context: Context): Promise<ViewBefore[]> {
  const { materializedViews } = await import('../../maintenance/vacuum.js');
  const views = await materializedViews(client, schemasOf(context));
  return views.map(({ view, version }) => ({ view, version }));
}

/** The planned views, as the vacuum left them. */
function viewsToRefresh(context: Context): ViewBefore[] {
  const left = (context.results[actId]?.verified?.evidence?.views ?? []) as unknown as ViewBefore[];
  const versions = new Map(left.map(({ view, version }) => [view, version]));
  return viewsBefore(context).map(({ view, version }) => ({
    view,
    version: versions.get(view) ?? version,
  }));
}

/** Refreshes the planned views that have not been refreshed since. */
export async function actRefresh(context: Context): Promise<JsonObject> {
  const { withClient } = await import('../../database/client.js');
  const { materializedViews, refreshView } = await import('../../maintenance/vacuum.js');
  const { target, ...access } = await databaseOf(context, { write: true });
  const before = new Map(viewsToRefresh(context).map(({ view, version }) => [view, version]));
  return withClient(target, { purpose: 'refresh views', ...access }, async (client) => {
    for (const view of await materializedViews(client, schemasOf(context))) {
      if (before.get(view.view) !== view.version) continue;
      if (!view.concurrently) context.output(`${view.view} cannot be read while it is refreshed.`);
      await refreshView(client, view);
    }
    return { views: [...before.keys()] };
  });
}

export const verifyRefresh = (context: Context): Promise<Verified> =>
  reading(context, 'refresh views', async (client) => {
    const { materializedViews } = await import('../../maintenance/vacuum.js');
    const now = new Map(
      (await materializedViews(client, schemasOf(context))).map((view) => [view.view, view]),
    );
    const before = viewsToRefresh(context);
    const open = before.filter(({ view, version }) => {
      const found = now.get(view);
      return found === undefined || found.version === version || !found.populated;
    });
    return {
      done: open.length === 0,
      summary:
        open.length === 0
          ? `${before.length} views refreshed.`
          : `Not refreshed: ${open.map(({ view }) => view).join(', ')}.`,
    };
  });

export async function actCheckpoint(context: Context): Promise<JsonObject> {
  const { withClient } = await import('../../database/client.js');
  const { target, ...access } = await databaseOf(context, { write: true });
  await withClient(target, { purpose: 'checkpoint', ...access }, (client) =>
    client.execute('CHECKPOINT'),
  );
  return {};
}

export const verifyCheckpoint = (context: Context): Promise<Verified> =>
  reading(context, 'checkpoint', async (client) => {
    const before = context.plan?.totals.checkpoint ?? null;
    const now = await position(client);
    const done = now !== null && now !== before;
    return { done, summary: done ? `Checkpoint at ${now}.` : 'There was no checkpoint since.' };
  });
