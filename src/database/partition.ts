import type { DatabaseClient } from './client.js';
import { quoteIdentifier, quoteTable } from './identifiers.js';

export interface PartitionedTable {
  schema: string;
  table: string;
}

/**
 * Makes an empty table shaped like the parent, without its indexes, that can become the partition
 * for one value of the parent's list key. The check lets PostgreSQL attach it without a scan.
 * `constants` are values that every row has: they become defaults, and need not be sent.
 */
export async function createFuturePartition(
  client: DatabaseClient,
  parent: PartitionedTable,
  name: string,
  key: { column: string; value: string },
  constants: Record<string, string> = {},
): Promise<void> {
  const future = quoteTable(parent.schema, name);
  await client.execute(
    `CREATE TABLE ${future} (LIKE ${quoteTable(parent.schema, parent.table)} INCLUDING DEFAULTS INCLUDING STORAGE)`,
  );
  await client.execute(
    `ALTER TABLE ${future} ADD CHECK (${quoteIdentifier(key.column)} IS NOT NULL AND ${quoteIdentifier(key.column)} = ${textLiteral(key.value)})`,
  );
  for (const [column, value] of Object.entries(constants)) {
    await client.execute(
      `ALTER TABLE ${future} ALTER COLUMN ${quoteIdentifier(column)} SET DEFAULT ${textLiteral(value)}`,
    );
  }
}

/** Builds every index of the parent, the primary key included, on the future partition. */
export async function buildPartitionIndexes(
  client: DatabaseClient,
  parent: PartitionedTable,
  name: string,
): Promise<void> {
  const indexes = await client.query<{
    unique: boolean;
    definition: string;
    primary: string | null;
  }>(
    `SELECT i.indisunique AS unique, pg_get_indexdef(i.indexrelid) AS definition,
            pg_get_constraintdef(c.oid) AS primary
     FROM pg_index i
     LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype = 'p'
     WHERE i.indrelid = $1::regclass
     ORDER BY i.indexrelid`,
    [quoteTable(parent.schema, parent.table)],
  );
  const future = quoteTable(parent.schema, name);
  for (const index of indexes) {
    // The definition names the parent; what follows USING holds for any table of its shape.
    const body = index.definition.slice(index.definition.indexOf(' USING '));
    await client.execute(
      index.primary === null
        ? `CREATE ${index.unique ? 'UNIQUE ' : ''}INDEX ON ${future}${body}`
        : `ALTER TABLE ${future} ADD ${index.primary}`,
    );
  }
}

/**
 * Puts the partition in the place of all others: readers see the old rows until the transaction
 * commits, and the new ones after. Holds the parent's exclusive lock from here to the commit.
 */
export async function replacePartitions(
  client: DatabaseClient,
  parent: PartitionedTable,
  name: string,
  key: { value: string },
): Promise<void> {
  const table = quoteTable(parent.schema, parent.table);
  const present = await client.query<{ schema: string; name: string }>(
    `SELECT n.nspname AS schema, c.relname AS name
     FROM pg_inherits i
     JOIN pg_class c ON c.oid = i.inhrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE i.inhparent = $1::regclass`,
    [table],
  );
  for (const old of present) {
    const partition = quoteTable(old.schema, old.name);
    await client.execute(`ALTER TABLE ${table} DETACH PARTITION ${partition}`);
    await client.execute(`DROP TABLE ${partition}`);
  }
  await client.execute(
    `ALTER TABLE ${table} ATTACH PARTITION ${quoteTable(parent.schema, name)} FOR VALUES IN (${textLiteral(key.value)})`,
  );
}

/** DDL takes no parameters; this is for text that the tool itself made. */
const textLiteral = (text: string): string => `'${text.replaceAll("'", "''")}'`;
