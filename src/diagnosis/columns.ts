import type { Config } from '../config/schema.js';
import { describeTables } from '../database/catalog.js';
import type { DatabaseClient } from '../database/client.js';
import type { BatchDetails } from '../lake/batches.js';
import type { ManifestTable } from '../lake/manifest.js';
import { modelColumns } from '../pipeline/model.js';
import { tableOf } from './gold.js';

type Entities = Config['source']['entities'];

/** Columns that the model reads and the silver of a batch does not have. */
export function missingInSilver(batch: Pick<BatchDetails, 'manifests'>): string[] {
  const present = tableOf(batch, 'silver', 'review')?.columns.map(({ name }) => name) ?? [];
  return modelColumns.filter((name) => !present.includes(name));
}

/** `table.column` of what the configuration maps, by table. Tables that may be absent count too. */
function mappedColumns(entities: Entities): Map<string, string[]> {
  const columns = new Map<string, string[]>();
  for (const { table, ...mapping } of Object.values(entities)) {
    const names = Object.values(mapping as Record<string, string | null>).filter(
      (name): name is string => name !== null,
    );
    columns.set(table, [...(columns.get(table) ?? []), ...names]);
  }
  return columns;
}

/** Tables without which there is nothing to score. */
const requiredTables = ({ review, reviewProduct }: Entities): string[] => [
  review.table,
  reviewProduct.table,
];

function compare(
  entities: Entities,
  find: (table: string) => readonly string[] | undefined,
): string[] {
  const missing: string[] = [];
  for (const [table, names] of mappedColumns(entities)) {
    const present = find(table);
    if (present === undefined) {
      if (requiredTables(entities).includes(table)) missing.push(table);
      continue;
    }
    missing.push(
      ...names.filter((name) => !present.includes(name)).map((name) => `${table}.${name}`),
    );
  }
  return missing;
}

/** What the configuration maps and the bronze of a batch does not hold. */
export const missingInBronze = (
  batch: Pick<BatchDetails, 'manifests'>,
  entities: Entities,
): string[] =>
  compare(entities, (name) => {
    const table: ManifestTable | undefined = tableOf(batch, 'bronze', name);
    return table?.columns.map((column) => column.name);
  });

/** What the configuration maps and the source does not have. */
export async function missingInSource(
  client: DatabaseClient,
  { schema, entities }: Config['source'],
): Promise<string[]> {
  const tables = await describeTables(client, schema, [...mappedColumns(entities).keys()]);
  return compare(entities, (name) =>
    tables.find((table) => table.name === name)?.columns.map((column) => column.name),
  );
}
