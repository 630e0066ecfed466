import { z } from 'zod';
import type { DatabaseClient } from '../../database/client.js';
import type { TableStatistics } from '../../maintenance/table-statistics.js';
import type { StepContext } from '../engine/definition.js';

/** What the steps of a vacuum share: its inputs, and the tables and views it is about. */

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
export type Context = StepContext<VacuumInput>;

/** A table as the plan's totals remember it: what it was before. */
export interface TableBefore {
  table: string;
  oid: string;
  filenode: string;
  deadTuples: number | null;
  bytes: number;
  heapBytes: number;
  vacuumCount: number;
}

export interface ViewBefore {
  view: string;
  version: string;
}

export const schemasOf = ({ services: { config } }: Context): string[] => [
  config.source.schema,
  config.serving.schema,
  'maintenance',
];

/** Tables of the configured schemas, and of those that the names mention. */
export async function readTables(
  client: DatabaseClient,
  context: Context,
): Promise<TableStatistics[]> {
  const { tableStatistics } = await import('../../maintenance/table-statistics.js');
  const named = (context.input.tables ?? [])
    .filter((name) => name.includes('.'))
    .map((name) => name.slice(0, name.indexOf('.')));
  return tableStatistics(client, [...schemasOf(context), ...named]);
}

export async function selected(client: DatabaseClient, context: Context) {
  const { selectTables } = await import('../../maintenance/vacuum-selection.js');
  const { input, services } = context;
  return selectTables(await readTables(client, context), input.tables, services.config.maintenance);
}

/** The tables of the plan as they were when it was made. */
export const tablesBefore = (context: Context): TableBefore[] =>
  (context.plan?.totals.tables ?? []) as unknown as TableBefore[];

/** The same for the views that the plan names. */
export const viewsBefore = (context: Context): ViewBefore[] => {
  const planned = new Set(
    (context.plan?.targets ?? []).filter(({ type }) => type === 'view').map(({ name }) => name),
  );
  const views = (context.plan?.totals.views ?? []) as unknown as ViewBefore[];
  return views.filter(({ view }) => planned.has(view));
};

/** Where the last checkpoint stands in the log; null where the role may not make or see one. */
export const position = async (client: DatabaseClient): Promise<string | null> => {
  const { checkpointPosition } = await import('../../maintenance/vacuum.js');
  return (await checkpointPosition(client)) ?? null;
};
