import type { IdentifierKind } from '../config/privacy-schema.js';
import type { Config } from '../config/schema.js';
import type { DatabaseClient } from '../database/client.js';
import { quoteIdentifier, quoteTable } from '../database/identifiers.js';
import { normalForm } from './identifiers.js';
import type { PrivacyKeys } from './keys.js';
import { type ModelTable, readModel } from './model.js';
import type { Tombstone } from './suppression.js';

/** Somebody who was erased and is in the database again, by no doing of their own. */
export interface Returned {
  /** Requests by which they were erased. */
  requestIds: string[];
  customer: string[];
  buyer: string[];
}

const pageRows = 10_000;

/**
 * Who of those under a tombstone is in the database: after it was restored to an earlier time,
 * everybody who was erased since. An account that is younger than the tombstone is somebody who
 * registered again.
 */
export async function findReturned(
  client: DatabaseClient,
  config: Config,
  keys: PrivacyKeys,
  tombstones: readonly Tombstone[],
): Promise<Returned> {
  const { tables } = await readModel(client, config);
  const byName = new Map<string, Tombstone[]>();
  for (const tombstone of tombstones) {
    const name = `${tombstone.kind} ${tombstone.digest}`;
    byName.set(name, [...(byName.get(name) ?? []), tombstone]);
  }
  const found = {
    requestIds: new Set<string>(),
    customer: new Set<string>(),
    buyer: new Set<string>(),
  };
  for (const table of tables) {
    for (const { column, domain, via } of table.owning) {
      const ids = domain === 'customer' || domain === 'buyer';
      const addresses = domain === 'email' || domain === 'phone';
      if (!ids && !addresses) continue;
      const id = ids ? column : table.provides.find((one) => one.domain === 'customer')?.column;
      if (id === undefined) continue;
      const kinds: IdentifierKind[] = ids ? ['customer', 'buyer'] : [domain as IdentifierKind];
      for await (const row of valuesOf(client, config, table, { column, id })) {
        for (const kind of kinds) {
          const digest = keys.digest(kind, normalForm(kind, row.value));
          for (const tombstone of byName.get(`${kind} ${digest}`) ?? []) {
            if (row.since !== null && row.since > new Date(tombstone.effectiveAt)) continue;
            found.requestIds.add(tombstone.requestId);
            (via === 'buyer' && domain === 'buyer' ? found.buyer : found.customer).add(row.id);
          }
        }
      }
    }
  }
  return {
    requestIds: [...found.requestIds].sort(),
    customer: [...found.customer],
    buyer: [...found.buyer],
  };
}

interface Value {
  value: string;
  id: string;
  /** When the account was made, where the row or its account says so. */
  since: Date | null;
}

/** The distinct values of a column with the id beside them, page by page. */
async function* valuesOf(
  client: DatabaseClient,
  { source }: Config,
  table: ModelTable,
  { column, id }: { column: string; id: string },
): AsyncGenerator<Value> {
  const { customer } = source.entities;
  const account = quoteTable(source.schema, customer.table);
  const since =
    customer.created_at === null
      ? 'NULL::timestamptz'
      : `(SELECT max(account.${quoteIdentifier(customer.created_at)}) FROM ${account} AS account WHERE account.${quoteIdentifier(customer.customer_id)}::text = page.id)`;
  const [value, key] = [quoteIdentifier(column), quoteIdentifier(id)];
  const name = quoteTable(table.schema, table.name);
  let after: [string, string] = ['', ''];
  for (;;) {
    const rows = await client.query<{ value: string; id: string; since: Date | null }>(
      `SELECT page.value, page.id, ${since} AS since FROM (
         SELECT DISTINCT ${value}::text COLLATE "C" AS value, ${key}::text COLLATE "C" AS id
         FROM ${name}
         WHERE (${value}::text COLLATE "C", ${key}::text COLLATE "C") > ($1, $2)
         ORDER BY 1, 2 LIMIT ${pageRows}) AS page ORDER BY 1, 2`,
      after,
    );
    yield* rows;
    const last = rows.at(-1);
    if (rows.length < pageRows || last === undefined) return;
    after = [last.value, last.id];
  }
}
