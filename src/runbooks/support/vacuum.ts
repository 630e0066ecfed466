import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { DatabaseClient } from '../../database/client.js';
import type { TableStatistics } from '../../maintenance/table-statistics.js';
import { formatBytes, formatCount, formatSeconds } from '../../system/duration.js';
import { failed } from '../../system/errors.js';
import type { Finding, JsonObject, StepContext, Verified } from '../engine/definition.js';
import type { Plan, PlanTarget } from '../engine/plan.js';
import { databaseOf, reading } from './context.js';

export const vacuumInputs = z.strictObject({
  tables: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      'Only these tables, such as review or amazon.review, whatever their state. Default: those with dead rows.',
    ),
  analyze: z.boolean().default(true).describe('Gathers the planner’s statistics too.'),
  checkpoint: z.boolean().default(true).describe('Makes a checkpoint at the end, where allowed.'),
  refreshViews: z.boolean().default(false).describe('Refreshes the materialised views.'),
});
export type VacuumInput = z.output<typeof vacuumInputs>;
type Context = StepContext<VacuumInput>;

/** A table as the plan's totals remember it: what it was before. */
export interface TableBefore {
  table: string;
  oid: string;
  filenode: string;
  deadTuples: number | null;
  bytes: number;
  vacuumCount: number;
}

export interface ViewBefore {
  view: string;
  version: string;
}

const schemasOf = ({ services: { config } }: Context): string[] => [
  config.source.schema,
  config.serving.schema,
  'maintenance',
];

/** Tables of the configured schemas, and of those that the names mention. */
async function readTables(client: DatabaseClient, context: Context): Promise<TableStatistics[]> {
  const { tableStatistics } = await import('../../maintenance/table-statistics.js');
  const named = (context.input.tables ?? [])
    .filter((name) => name.includes('.'))
    .map((name) => name.slice(0, name.indexOf('.')));
  return tableStatistics(client, [...schemasOf(context), ...named]);
}

async function selected(client: DatabaseClient, context: Context) {
  const { selectTables } = await import('../../maintenance/vacuum-selection.js');
  const { input, services } = context;
  return selectTables(await readTables(client, context), input.tables, services.config.maintenance);
}

export const findHolders = (context: Context): Promise<Finding> =>
  reading(context, 'vacuum', async (client) => {
    const { describeBlocker, findBlockers, removesNothing } = await import(
      '../../maintenance/vacuum-blockers.js'
    );
    const { blockers, complete } = await findBlockers(client);
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

const position = async (client: DatabaseClient): Promise<string | null> => {
  const { checkpointPosition } = await import('../../maintenance/vacuum.js');
  return (await checkpointPosition(client)) ?? null;
};

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

export const tablesBefore = (context: Context): TableBefore[] =>
  (context.plan?.totals.tables ?? []) as unknown as TableBefore[];

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
        return !isVacuumed(table, planned, full) || removedNothing(table, planned, patience);
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

/** A vacuum that ran and left as many dead rows as there were; below `few`, new ones explain it. */
const removedNothing = (
  now: TableStatistics | undefined,
  before: TableBefore | undefined,
  few: number,
): boolean => {
  const dead = before?.deadTuples ?? 0;
  return dead >= few && (now?.deadTuples ?? 0) >= dead;
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
    const { blockers } = await findBlockers(client);
    const open = pairs.filter((pair) => !isDone(pair)).map(({ table }) => table.table);
    const [first] = blockers;
    const few = first === undefined ? context.services.config.maintenance.deadTuples : 1;
    const kept = pairs.filter(({ table, now: found }) => removedNothing(found, table, few));
    const evidence = {
      tables: pairs.map(({ table, now }) => ({
        table: table.table,
        deadTuplesBefore: table.deadTuples,
        deadTuplesAfter: now?.deadTuples ?? null,
        bytesBefore: table.bytes,
        bytesAfter: now?.totalBytes ?? null,
      })),
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
    const dead = (key: 'deadTuplesBefore' | 'deadTuplesAfter') =>
      evidence.tables.reduce((sum, table) => sum + (table[key] ?? 0), 0);
    return {
      done: true,
      summary: `${before.length} ${before.length === 1 ? 'table' : 'tables'} vacuumed: ${formatCount(dead('deadTuplesBefore'))} dead rows before, ${formatCount(dead('deadTuplesAfter'))} after.`,
      evidence,
    };
  });

export const actId = 'vacuum';

export const viewsBefore = (context: Context): ViewBefore[] => {
  const planned = new Set(
    (context.plan?.targets ?? []).filter(({ type }) => type === 'view').map(({ name }) => name),
  );
  const views = (context.plan?.totals.views ?? []) as unknown as ViewBefore[];
  return views.filter(({ view }) => planned.has(view));
};

/** Refreshes the planned views that have not been refreshed since. */
export async function actRefresh(context: Context): Promise<JsonObject> {
  const { withClient } = await import('../../database/client.js');
  const { materializedViews, refreshView } = await import('../../maintenance/vacuum.js');
  const { target, ...access } = await databaseOf(context, { write: true });
  const before = new Map(viewsBefore(context).map(({ view, version }) => [view, version]));
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
    const before = viewsBefore(context);
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
