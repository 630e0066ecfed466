import type { IdentifierKind } from '../config/privacy-schema.js';
import type { Config } from '../config/schema.js';
import type { DatabaseClient } from '../database/client.js';
import { quoteIdentifier, quoteTable } from '../database/identifiers.js';
import { hasColumn } from './accounts.js';
import { normalForm } from './identifiers.js';
import type { PrivacyKeys } from './keys.js';
import { type ModelTable, readModel } from './model.js';
import { nameOf, type Tombstone } from './suppression.js';

/** Somebody who was erased and is in the database again, by no doing of their own. */
export interface Returned {
  /** Requests by which they were erased. */
  requestIds: string[];
  customer: string[];
  buyer: string[];
}

const pageRows = 10_000;

/** Tombstones of the lake that the database lacks: it was restored to an earlier time. */
export async function missingTombstones(
  client: Pick<DatabaseClient, 'query'>,
  tombstones: readonly Tombstone[],
): Promise<Tombstone[]> {
  const rows = await client.query<{ name: string }>(
    "SELECT request_id || ' ' || kind || ' ' || digest AS name FROM maintenance.gdpr_tombstones",
  );
  const present = new Set(rows.map(({ name }) => name));
  return tombstones.filter((tombstone) => !present.has(nameOf(tombstone)));
}

/**
 * Who of those under a tombstone is in the database: after it was restored to an earlier time,
 * everybody who was erased since. Records that are younger than the tombstone are of somebody who
 * registered again; those without a date are as old as the account. Only for a client that is in no
 * transaction.
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
      await forEachValue(client, config, table, { column, id }, (row) => {
        for (const kind of kinds) {
          const digest = keys.digest(kind, normalForm(kind, row.value));
          for (const tombstone of byName.get(`${kind} ${digest}`) ?? []) {
            if (row.since !== null && row.since > new Date(tombstone.effectiveAt)) continue;
            found.requestIds.add(tombstone.requestId);
            (via === 'buyer' && domain === 'buyer' ? found.buyer : found.customer).add(row.id);
          }
        }
      });
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
  /** Of its oldest record; null where that has no date. */
  since: Date | null;
}

/** Hands over the distinct values of a column with the id beside them, page by page. */
async function forEachValue(
  client: DatabaseClient,
  config: Config,
  table: ModelTable,
  { column, id }: { column: string; id: string },
  take: (value: Value) => void,
): Promise<void> {
  const [value, key] = [quoteIdentifier(column), quoteIdentifier(id)];
  const own = timeColumn(config, table);
  const written =
    own === undefined ? 'account.since' : `coalesce(found.${quoteIdentifier(own)}, account.since)`;
  const accounts = await accountTable(client, config);
  await client.transaction(async () => {
    await client.execute(
      `DECLARE present NO SCROLL CURSOR FOR
       SELECT found.${value}::text AS value, found.${key}::text AS id,
              CASE WHEN bool_or(${written} IS NULL) THEN NULL ELSE min(${written})::timestamptz END AS since
       FROM ${quoteTable(table.schema, table.name)} AS found
       LEFT JOIN (${accounts}) AS account ON account.id = found.${key}::text
       WHERE found.${value} IS NOT NULL AND found.${key} IS NOT NULL
       GROUP BY 1, 2`,
    );
    for (;;) {
      const rows = await client.query<{ value: string; id: string; since: Date | null }>(
        `FETCH ${pageRows} FROM present`,
      );
      for (const row of rows) take(row);
      if (rows.length < pageRows) return;
    }
  }, 'READ ONLY');
}

/** The column that says when a row's record was made. */
function timeColumn({ source, serving }: Config, table: ModelTable): string | undefined {
  const { customer, review } = source.entities;
  const known = [
    { id: `${source.schema}.${customer.table}`, column: customer.created_at },
    { id: `${source.schema}.${review.table}`, column: review.created_at },
    { id: `${serving.schema}.${serving.table}`, column: 'reviewed_at' },
  ];
  const column = known.find(({ id }) => id === table.id)?.column ?? undefined;
  return table.columns.some(({ name }) => name === column) ? column : undefined;
}

async function accountTable(client: DatabaseClient, { source }: Config): Promise<string> {
  const { table, customer_id: id, created_at: since } = source.entities.customer;
  const name = quoteTable(source.schema, table);
  if (since === null || !(await hasColumn(client, name, since))) {
    return 'SELECT NULL::text AS id, NULL::timestamptz AS since';
  }
  return `SELECT ${quoteIdentifier(id)}::text AS id, max(${quoteIdentifier(since)}) AS since FROM ${name} GROUP BY 1`;
}
