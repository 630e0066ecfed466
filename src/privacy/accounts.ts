import type { Config } from '../config/schema.js';
import type { DatabaseClient } from '../database/client.js';
import { quoteIdentifier, quoteTable } from '../database/identifiers.js';

/**
 * Since when these customers have their accounts, as the source says now. Left out are those that
 * have none, and all of them where the source does not know.
 */
export async function accountsSince(
  client: DatabaseClient,
  { source }: Config,
  ids: readonly string[],
): Promise<{ id: string; since: Date }[]> {
  const { table, customer_id: id, created_at: since } = source.entities.customer;
  const name = quoteTable(source.schema, table);
  if (ids.length === 0 || since === null || !(await hasColumn(client, name, since))) return [];
  return client.query<{ id: string; since: Date }>(
    `SELECT ${quoteIdentifier(id)}::text AS id, max(${quoteIdentifier(since)})::timestamptz AS since
     FROM ${name} WHERE ${quoteIdentifier(id)}::text = ANY ($1::text[]) AND ${quoteIdentifier(since)} IS NOT NULL
     GROUP BY 1`,
    [ids],
  );
}

/** A source need not have the table. `table` is quoted already. */
export async function hasColumn(
  client: DatabaseClient,
  table: string,
  column: string,
): Promise<boolean> {
  const rows = await client.query(
    `SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2 AND attnum > 0 AND NOT attisdropped`,
    [table, column],
  );
  return rows.length > 0;
}
